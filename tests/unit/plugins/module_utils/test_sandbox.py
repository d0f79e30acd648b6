from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _command as command
from ansible_collections.greenroom.django.plugins.module_utils import _sandbox
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import run
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import (
    Sandbox,
    app_sandbox,
    source_sandbox,
)
from ansible_collections.greenroom.django.plugins.module_utils._source_control import build_sandbox

from tests.unit.conftest import ME, confine

HERE = Sandbox(ME)


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    """A descriptor that is held as long as something of a command is there."""
    descriptor = os.open(tmp_path / "lock", os.O_RDONLY | os.O_CREAT)
    command.handed_down[descriptor] = lambda _: None
    yield descriptor
    del command.handed_down[descriptor]
    os.close(descriptor)


def descriptors() -> list[str]:
    """What a command has open besides the usual three, and the folder that it reads."""
    shown = run(["/bin/ls", "/proc/self/fd"], user=HERE).stdout.split()
    return [name for name in shown if int(name) > 3]


@pytest.mark.usefixtures("lock")
def test_a_command_inherits_nothing() -> None:
    assert descriptors() == []
    with ExitStack() as many:  # more than a plain shell can name
        for _ in range(20):
            many.callback(os.close, os.open("/dev/null", os.O_RDONLY))
        assert descriptors() == []


def test_its_variables_are_those_that_are_given() -> None:
    """Whatever is in them; and its folder, which is entered as the user."""
    values = {"A": "x'y\n$z \\", "LD_PRELOAD": "", "WORDS": "Größe 🎭"}
    shown = run(["/usr/bin/env", "-0"], user=HERE, environment=values, cwd="/usr").stdout
    found = dict(line.split("=", 1) for line in shown.split("\0") if line)
    for name in ("PWD", "_", "SHLVL"):  # the shell's own
        found.pop(name, None)
    home = os.path.expanduser(f"~{ME}")
    assert found == {"PATH": command.PATH, "HOME": home, "LANG": "C.UTF-8", **values}
    assert run(["/bin/pwd"], user=HERE, cwd="/usr").stdout == "/usr\n"
    nowhere = run(["/bin/pwd"], user=HERE, cwd="/nowhere")
    assert (nowhere.returncode, nowhere.stdout) == (126, "")


def test_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError, match=r"^no-such is not on this host\.$"):
        run(["no-such"], user=HERE)
    (tmp_path / "script").write_text("#!/bin/sh\n")
    with pytest.raises(GreenroomError, match=r"script cannot be run: Permission denied\.$"):
        run([str(tmp_path / "script")], user=HERE)


def test_what_prints_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "OUTPUT_MAX", 2**20)
    with pytest.raises(GreenroomError, match=r"^yes printed more than 1 MiB\.$"):
        run(["yes"], user=HERE)


def test_much_input_and_output_at_once() -> None:
    text = "é\n" * 300_000
    assert run(["cat"], user=HERE, stdin=text).stdout == text


@pytest.mark.usefixtures("lock")
def test_nothing_of_it_is_left() -> None:
    before = set(os.listdir("/var/tmp"))
    run(["/bin/true"], user=HERE)
    assert {name for name in os.listdir("/var/tmp") if "greenroom-" in name} <= before
    fcntl.fcntl(next(iter(command.handed_down)), fcntl.F_GETFD)  # ours is still open


def bound(sandbox: Sandbox, word: str) -> list[str]:
    """The folders that bubblewrap is told of with a word."""
    words = sandbox._namespaces("/var/tmp/x")
    return [words[n + 1] for n, found in enumerate(words) if found == word]


def test_a_build_writes_what_it_makes(app: App) -> None:
    os.makedirs(os.path.join(app.build, "repository"))
    os.makedirs(os.path.join(os.path.dirname(app.home), "other", "releases"))
    sandbox = build_sandbox(app, app.release(2))
    assert bound(sandbox, "--bind")[2:] == [app.build, app.release(2)]
    assert bound(sandbox, "--ro-bind") == ["/", os.path.join(app.build, "repository")]
    assert os.path.join(os.path.dirname(app.home), "other") in bound(sandbox, "--tmpfs")
    assert "--unshare-net" not in sandbox._namespaces("/x")


def test_a_fetch_obeys_roots_files(app: App, tmp_path: Path) -> None:
    asked = source_sandbox(app)
    assert (asked.home, asked.network) == (app.access, False)
    assert run(["/bin/sh", "-c", "echo $HOME"], user=asked).stdout == f"{app.access}\n"
    for address, shown in (
        (str(tmp_path), [str(tmp_path)]),
        (f"file://{tmp_path}", [str(tmp_path)]),
        ("git@example.com:a/b.git", []),
        ("/nowhere", []),
    ):
        fetched = source_sandbox(app, address)
        assert fetched.network
        assert bound(fetched, "--ro-bind")[1:] == shown


def test_the_app_writes_what_its_service_writes(app: App, tmp_path: Path) -> None:
    assert bound(app_sandbox(app), "--bind")[2:] == [app.shared, app.run]
    more = tmp_path / "more data"
    more.mkdir()
    Path(app.writable_paths).write_text(f"{more}\n/nowhere\n")
    assert bound(app_sandbox(app), "--bind")[2:] == [app.shared, app.run, str(more)]
    assert app_sandbox(app).group == "blog-django"


def test_in_a_unit_that_is_one_no_sandbox_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    user = pwd.getpwnam(ME)
    assert confine(HERE, user, "/x", ["sh"])[0] == "bwrap"
    monkeypatch.setenv(_sandbox.CONFINED, "unit")
    assert confine(HERE, user, "/x", ["sh"])[:2] == ["sh", "setpriv"]
