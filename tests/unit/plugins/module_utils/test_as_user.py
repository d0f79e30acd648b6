from __future__ import annotations

import json
import os
import pwd
import signal
import time
from typing import Any, NoReturn

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _as_user
from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

from tests.unit.conftest import ME

NOBODY = "nobody" if os.geteuid() == 0 else ME


def say(*arguments: Any) -> list[Any]:
    return list(arguments)


def look() -> dict[str, Any]:
    def forbidden() -> bool:
        try:
            os.setuid(0)
        except PermissionError:
            return True
        return False

    return {
        "ids": [*os.getresuid(), *os.getresgid()],
        "groups": sorted(os.getgroups()),
        "descriptors": [name for name in os.listdir("/proc/self/fd") if int(name) > 2],
        "folder": os.getcwd(),
        "umask": os.umask(0),
        "stays": forbidden() or os.geteuid() == 0,
    }


def refuse() -> NoReturn:
    raise GreenroomError("so not")


def fail(error: BaseException) -> NoReturn:
    raise error


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_it_answers() -> None:
    assert as_user(ME, say, 1, "ä", None, {"a": [True]}) == [1, "ä", None, {"a": [True]}]
    assert as_user(ME, say, "x" * 1_000_000) == ["x" * 1_000_000]


def test_it_is_that_user_for_good_and_has_nothing_of_ours() -> None:
    entry = pwd.getpwnam(NOBODY)
    with open(__file__, encoding="utf-8") as ours:
        found = as_user(NOBODY, look)
        assert not ours.closed
    assert found["ids"] == [entry.pw_uid] * 3 + [entry.pw_gid] * 3
    # The pipe that it answers through, and the folder that it lists.
    assert len(found["descriptors"]) <= 2
    assert (found["folder"], found["umask"], found["stays"]) == ("/", 0o027, True)
    if NOBODY != ME:
        assert found["groups"] == sorted(set(os.getgrouplist(NOBODY, entry.pw_gid)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be kept out by becoming another")
def test_it_may_what_the_user_may() -> None:
    with pytest.raises(PermissionError) as refused:
        as_user("nobody", _read, "/etc/shadow")
    assert refused.value.filename == "/etc/shadow"


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_what_goes_wrong_there_goes_wrong_here() -> None:
    with pytest.raises(GreenroomError, match=r"^so not$"):
        as_user(ME, refuse)
    with pytest.raises(FileNotFoundError) as missing:
        as_user(ME, _read, "/nowhere")
    assert (missing.value.filename, missing.value.strerror) == (
        "/nowhere",
        "No such file or directory",
    )
    with pytest.raises(GreenroomError, match=r"^KeyError: 'x'$"):
        as_user(ME, fail, KeyError("x"))
    with pytest.raises(GreenroomError, match="was ended by somebody"):
        as_user(ME, die)


def test_it_is_not_waited_for_for_ever() -> None:
    began = time.monotonic()
    with pytest.raises(GreenroomError, match=r"did not end within 0\.2 seconds"):
        as_user(ME, time.sleep, 60, timeout=0.2)
    assert time.monotonic() - began < 30


def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_as_user, "LIMIT", 1000)
    assert json.dumps(as_user(ME, say, "x" * 900))
    with pytest.raises(GreenroomError, match="has too much to say"):
        as_user(ME, say, "x" * 1_000_000)


def test_no_process_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[int] = []
    fork = os.fork

    def noted() -> int:
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted)
    as_user(ME, say)
    with pytest.raises(GreenroomError):
        as_user(ME, time.sleep, 60, timeout=0.1)
    assert len(children) == 2
    for child in children:
        assert not os.path.exists(f"/proc/{child}")
