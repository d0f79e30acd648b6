"""What each process of Apache's runs: a release that comes to its door, and is called away."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.unit.roles.project import ROOT

DOOR = ROOT / "roles/gunicorn/files/door"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("door", str(DOOR))
    spec = importlib.util.spec_from_loader("door", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class Process:
    """A process of Apache's: it attends to a door until it ends itself."""

    def __init__(self, script: ModuleType, etc: Path) -> None:
        self.etc, self.told = etc, list[int]()
        self.door = script.Door("blog", "a", etc=str(etc))
        self.loads: Callable[[str], Any] = lambda tree: self.answer(tree)
        load = lambda _, tree: self.loads(tree)  # noqa: E731 - it can be another one later
        self.thread = threading.Thread(target=self.door.attend, args=[load], daemon=True)
        self.thread.start()

    @staticmethod
    def answer(tree: str) -> Any:
        return lambda _, start: (start("200 OK", []), [os.path.basename(tree).encode()])[1]

    def lead(self, number: int | None) -> None:
        path = self.etc / "blog/door-a"
        if not number:
            path.unlink(missing_ok=True)
        else:
            tree = self.etc / "releases" / str(number)
            tree.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(".new")
            beside.symlink_to(tree)
            beside.replace(path)

    def ask(self) -> tuple[str, bytes]:
        said, environ = [], dict[str, Any]()
        body = self.door.answer(environ, lambda status, _: said.append(status))
        assert environ["wsgi.errors"] is sys.stderr
        return said[0], b"".join(body)


@pytest.fixture
def process(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Process]:
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog/doors.json").write_text(json.dumps({"drain": 0.2}))
    monkeypatch.setattr(script, "PAUSE", 0.01)
    monkeypatch.setattr(script, "AGAIN", 0.3)
    monkeypatch.setattr(script, "PAGE", str(tmp_path / "503.html"))
    process = Process(script, tmp_path)

    def kill(pid: int, number: int) -> None:
        assert pid == os.getpid()
        process.told.append(number)

    monkeypatch.setattr("os.kill", kill)
    yield process
    process.lead(None if process.door.tree() else 1)
    process.thread.join(1)
    process.lead(None)
    process.thread.join(1)


def test_it_waits_for_a_release_answers_and_ends_with_it(
    process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    assert process.ask() == ("503 Service Unavailable", b"")
    (process.etc / "503.html").write_text("Back in a moment")
    assert process.ask() == ("503 Service Unavailable", b"Back in a moment")
    process.lead(42)
    assert process.ask() == ("200 OK", b"42")
    (process.etc / "blog/doors.json").unlink()
    process.lead(43)
    assert process.ask() == ("200 OK", b"42"), "what was on its way here is still answered"
    process.thread.join(2)
    assert process.told == [signal.SIGTERM]
    said = capsys.readouterr().err
    begins = rf"\[.*\] \[{os.getpid()}\] A process of Apache's begins\n"
    assert re.match(f"greenroom: starting blog, release 42\n{begins}", said)


def test_who_comes_while_it_loads_waits(process: Process) -> None:
    def load(tree: str) -> Any:
        time.sleep(0.3)
        return process.answer(tree)

    process.loads = load
    process.lead(42)
    assert process.ask() == ("200 OK", b"42")


@pytest.mark.parametrize("error", [RuntimeError("Stage fright"), SystemExit("Stage fright")])
def test_a_release_that_cannot_be_loaded(
    process: Process, error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers so for a while, and then another process tries: a database may have come."""

    def load(_: str) -> Any:
        raise error

    process.loads = load
    process.lead(42)
    assert process.ask() == ("500 Internal Server Error", b"")
    assert f"{type(error).__name__}: Stage fright" in capsys.readouterr().err
    assert process.told == []
    process.thread.join(2)
    assert process.told == [signal.SIGTERM]


def test_when_to_come_back_is_said_by_apaches_site(script: ModuleType) -> None:
    said: dict[str, str] = {}
    environ = {"GREENROOM_RETRY_AFTER": "7"}
    script.nobody(environ, lambda _, headers: said.update(headers))
    assert said["Retry-After"] == "7"


def test_a_way_that_leads_nowhere_is_none(process: Process) -> None:
    """As after a boot, for what was in the green room."""
    (process.etc / "blog/door-a").symlink_to(process.etc / "gone")
    assert process.door.tree() == ""
    assert process.ask()[0] == "503 Service Unavailable"


def test_a_way_that_is_just_changed_calls_nobody_away(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = ["", "/srv/blog/releases/42", "/srv/blog/releases/43", ""]
    other = type(process.door)("blog", "b")
    monkeypatch.setattr(other, "tree", lambda: looks.pop(0))
    assert other.is_for("/srv/blog/releases/42")
    assert not other.is_for("/srv/blog/releases/42")


def test_packages_are_those_of_the_virtualenv(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (packages / "more.pth").write_text(f"{tmp_path}\n")
    monkeypatch.setattr(sys, "path", ["/usr/lib/python3", "/usr/lib/python3/dist-packages/"])
    for name in ("prefix", "exec_prefix", "executable"):
        monkeypatch.setattr(sys, name, "/usr")
    script.use_packages(str(tmp_path))
    assert sys.path == ["/usr/lib/python3", str(packages), str(tmp_path)]
    assert sys.prefix == sys.exec_prefix == str(tmp_path)
    assert sys.executable == f"{tmp_path}/bin/python"


def test_all_that_is_said_goes_to_one_place() -> None:
    told = """
import importlib.machinery, importlib.util, os, sys
loader = importlib.machinery.SourceFileLoader("door", sys.argv[1])
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("door", loader))
loader.exec_module(module)
sys.stdout = sys.stderr = None
module.speak_plainly()
print("printed", "Größe \\udc80")
os.write(1, b"written")
sys.stderr.write("and said\\n")
"""
    run = subprocess.run(
        [sys.executable, "-c", told, DOOR], capture_output=True, encoding="utf-8", check=True
    )
    assert run.stdout == ""
    assert run.stderr == "printed Größe \\udc80\nwrittenand said\n"


def test_a_virtualenv_of_another_python_is_refused(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "lib/python3.1/site-packages").mkdir(parents=True)
    with pytest.raises(RuntimeError, match="is not one of python3"):
        script.use_packages(str(tmp_path))


def test_the_launcher_has_what_it_takes_from_it(script: ModuleType) -> None:
    launch = script.launcher(str(DOOR.with_name("launch")))
    assert launch.bytes_of("3G") == 3 * 2**30
    assert {"environment_of", "prctl", "PR_SET_NO_NEW_PRIVS"} <= set(dir(launch))
