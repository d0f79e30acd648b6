from __future__ import annotations

import errno
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _module
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock


@pytest.fixture
def lock(app: App, monkeypatch: pytest.MonkeyPatch) -> Lock:
    """A lock that was last renewed ten minutes ago, by the run whose steps are run here."""
    monkeypatch.setattr(_module, "App", lambda _: app)
    monkeypatch.setenv("GREENROOM_RUN", "a")
    lock = Lock(app.lock)
    lock.take({"token": "a", "by": "ada@laptop", "since": time.time()})
    os.utime(lock.path, (time.time() - 600, time.time() - 600))
    return lock


def run(
    capsys: pytest.CaptureFixture[str],
    act: Any,
    check: bool = False,
    params: dict[str, Any] | None = None,
    **more: Any,
) -> Any:
    """What the controller gets to see of a step."""
    request = {"params": {"app": "blog", **(params or {})}, "check_mode": check}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))
        with pytest.raises(SystemExit) as ended:
            _module.run_module(act, **more)
    return ended.value.code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("check", [True, False])
def test_what_it_returns_is_the_result(
    lock: Lock, capsys: pytest.CaptureFixture[str], check: bool
) -> None:
    assert lock.holder()
    code, result = run(capsys, lambda params, check: {"changed": check, **params}, check)
    assert (code, result["changed"], result["app"]) == (0, check, "blog")


def test_an_error_is_one_message_with_its_details(
    lock: Lock, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(_params: Any, _check: bool) -> Any:
        raise GreenroomError("The till is open.", holder=lock.holder())

    code, result = run(capsys, act)
    assert (code, result["failed"], result["msg"]) == (1, True, "The till is open.")
    assert result["holder"]["by"] == "ada@laptop"


@pytest.mark.usefixtures("lock")
def test_a_full_disk_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    def act(_params: Any, _check: bool) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/blog/journal.json.new")

    code, result = run(capsys, act)
    said = "The host's disk: No space left on device: /srv/blog/journal.json.new."
    assert (code, result["msg"]) == (1, said)


@pytest.mark.parametrize(
    ("check", "more", "renewed"),
    [
        pytest.param(False, {}, True, id="a step of the run that holds it"),
        pytest.param(True, {}, False, id="a dry run, which holds nothing"),
        pytest.param(False, {"in_a_run": False}, False, id="one that only looks, such as status"),
    ],
)
def test_who_renews_the_lock(
    lock: Lock,
    capsys: pytest.CaptureFixture[str],
    check: bool,
    more: dict[str, Any],
    renewed: bool,
) -> None:
    run(capsys, lambda *_: {"changed": False}, check, **more)
    assert (time.time() - os.stat(lock.path).st_mtime < 60) is renewed


@pytest.mark.parametrize("mark", ["b", ""])
def test_a_step_of_another_run_does_nothing(
    lock: Lock, mark: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENROOM_RUN", mark)
    did: list[Any] = []
    code, result = run(capsys, lambda *them: did.append(them))
    assert (code, did) == (1, [])
    assert "ada@laptop" in result["msg"]
    assert lock.holder()


def test_what_a_step_is_called(lock: Lock, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[Any] = []

    def act(_params: Any, _check: bool) -> Any:
        found.append(json.loads(Path(lock.step_path).read_text()))
        return {}

    for more in ({}, {"release": 43}, {"number": 44}):
        run(capsys, act, params=more)
    own = "test_module"
    assert [step["step"] for step in found] == [own, f"{own}, release 43", f"{own}, release 44"]
    assert {step["by"] for step in found} == {"ada@laptop"}
    assert Path(lock.step_path).read_text() == ""


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize("error", [KeyError("\x1b[31m"), PermissionError("\x1b[31m")])
def test_a_mistake_of_ours_is_a_failure_that_a_terminal_can_show(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def act(_params: Any, _check: bool) -> Any:
        raise error

    code, result = run(capsys, act)
    assert (code, result["failed"]) == (1, True)
    assert result["msg"].startswith(f"{type(error).__name__}: ")
    assert "in act" in result["exception"]
    assert "\x1b" not in result["msg"] + result["exception"]
