"""What upstart is asked for, by a program in the place of initctl that keeps its rules."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_file
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS, upstart
from ansible_collections.greenroom.django.plugins.module_utils._service.launched import (
    of_last_start,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.upstart import (
    Instance,
    Upstart,
    instances_of,
)


class Initctl:
    """Keeps instances as upstart does; what it starts listens, or dies and is started again."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.instances: dict[int, str] = {}
        self.told: list[str] = []
        self.process, self.dies = 100, False
        self.version = "init (upstart 1.13.2)"
        self.listeners: list[socket.socket] = []

    def run(self, argv: Sequence[str], **_: Any) -> CompletedProcess[str]:
        program, verb, *words = argv
        assert program == "initctl"
        if verb == "version":
            return CompletedProcess(argv, 0, self.version, "")
        if verb == "list":
            return CompletedProcess(argv, 0, self.listed(), "")
        self.told.append(" ".join([verb, *words]))
        if verb == "reload-configuration":
            return CompletedProcess(argv, 0, "", "")
        number = int(words[-1].removeprefix("RELEASE="))
        state = self.instances.get(number, "")
        if verb == "start" and not state.startswith("start/"):
            return self.start(argv, number)
        if verb == "stop" and state.startswith("start/"):
            self.instances[number] = "stop/killed, process 100"
            return CompletedProcess(argv, 0, "", "")
        said = "Job is already running" if verb == "start" else "Unknown instance"
        return CompletedProcess(argv, 1, "", f"initctl: {said}: {number}\n")

    def start(self, argv: Sequence[str], number: int) -> CompletedProcess[str]:
        assert number not in self.instances, "it has still to leave"
        self.process += 1
        self.instances[number] = f"start/running, process {self.process}"
        if not self.dies:
            listener = socket.socket(socket.AF_UNIX)
            Path(self.app.socket(number)).unlink(missing_ok=True)
            listener.bind(self.app.socket(number))
            listener.listen()
            self.listeners.append(listener)
        return CompletedProcess(argv, 0, "", "")

    def listed(self) -> str:
        if self.dies:  # and is started again
            self.instances = dict.fromkeys(
                self.instances, f"start/running, process {self.process + 1}"
            )
            self.process += 1
        lines = [f"blog ({number}) {state}\n" for number, state in self.instances.items()]
        others = "rc stop/waiting\ntty (1) start/running, process 7\nmy-blog (9) start/running\n"
        return "".join(lines or ["blog stop/waiting\n"]) + others


@pytest.fixture
def initctl(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Initctl]:
    """A host with upstart, that was prepared for the app."""
    app.run = os.path.relpath(app.run)  # the path of a socket must be short
    initctl = Initctl(app)
    (tmp_path / "init").mkdir()
    (tmp_path / "log").mkdir()
    (tmp_path / "init/blog.conf").touch()
    monkeypatch.setattr(upstart, "JOBS", str(tmp_path / "init"))
    monkeypatch.setattr(upstart, "LOGS", str(tmp_path / "log"))
    monkeypatch.setattr(upstart, "run", initctl.run)
    monkeypatch.setattr(upstart, "must_run", lambda _what, argv: initctl.run(argv).stdout)
    yield initctl
    for listener in initctl.listeners:
        listener.close()


def test_it_is_in_the_registry() -> None:
    assert MANAGERS["upstart"] is Upstart


def test_where_it_runs(initctl: Initctl, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its program alone is none: systemd hosts had it too, for the sessions of users."""
    systemd = {"there": False}
    monkeypatch.setattr("os.path.isdir", lambda path: systemd["there"] and "systemd" in path)
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/sbin/initctl")
    assert Upstart.is_available()
    initctl.version = ""
    assert not Upstart.is_available(), "it answers nothing"
    initctl.version = "init (upstart 1.13.2)"
    systemd["there"] = True
    assert not Upstart.is_available(), "systemd is the first process"
    systemd["there"] = False
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert not Upstart.is_available()


def test_a_release_starts_and_does_not_come_up_at_boot(app: App, initctl: Initctl) -> None:
    service = Upstart(app)
    assert service.is_prepared()
    service.start(42)
    assert initctl.told == ["start blog RELEASE=42"]
    assert (service.running(), service.enabled(), service.is_active(42)) == ([42], [], True)
    assert service.state(42) == "start/running"
    service.start(42)
    assert (service.running(), service.is_active(42)) == ([42], True), "it is left be where it runs"


@pytest.mark.usefixtures("initctl")
def test_on_stage_it_comes_up_at_boot(app: App) -> None:
    service = Upstart(app)
    for number in (42, 9, 42):
        service.enable(number)
    assert Path(service.at_boot).read_text() == "9\n42\n"
    service.disable(9)
    service.disable(9)
    assert service.enabled() == [42]
    service.disable(42)
    assert Path(service.at_boot).read_text() == ""


def test_stopping_does_not_wait(app: App, initctl: Initctl) -> None:
    service = Upstart(app)
    service.start(42)
    service.stop(42)
    assert (service.running(), service.is_active(42)) == ([42], False)
    assert service.state(42) == "stop/killed"
    service.stop(42)
    service.stop(7)
    assert initctl.told[1:] == ["stop --no-wait blog RELEASE=42"]


def test_one_that_is_leaving_ends_before_it_starts_again(
    app: App, initctl: Initctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Upstart(app)
    service.start(42)
    service.stop(42)
    monkeypatch.setattr("time.sleep", lambda _: initctl.instances.clear())
    service.start(42)
    assert initctl.told[-1] == "start blog RELEASE=42"


def test_one_that_dies_is_told_at_once(app: App, initctl: Initctl) -> None:
    """Though upstart has started it again, and again says that it runs."""
    initctl.dies = True
    with pytest.raises(GreenroomError, match=r"blog \(42\) did not start: it ended"):
        Upstart(app).start(42)


def test_a_restart(app: App, initctl: Initctl, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Upstart(app)
    service.start(41)
    service.start(42)
    service.stop(41)
    monkeypatch.setattr("time.sleep", lambda _: initctl.instances.pop(42))
    service.restart()
    assert initctl.told[-2:] == ["stop --no-wait blog RELEASE=42", "start blog RELEASE=42"]
    assert initctl.instances[41].startswith("stop/")


def test_all_of_it_goes(app: App, initctl: Initctl) -> None:
    service = Upstart(app)
    service.enable(42)
    write_file(os.path.join(app.etc, "launch"), "--drain=1\n")
    service.uninstall()
    assert not service.is_prepared()
    assert os.listdir(app.etc) == []
    assert initctl.told == ["reload-configuration"]


@pytest.mark.usefixtures("initctl")
def test_what_an_app_of_this_name_would_take_the_place_of(app: App) -> None:
    service = Upstart(app)
    (Path(upstart.JOBS) / "blog-releases.override").touch()
    assert [os.path.basename(path) for path in service.conflicting_files()] == [
        "blog.conf",
        "blog-releases.override",
    ]


@pytest.mark.usefixtures("initctl")
def test_what_a_release_wrote(app: App) -> None:
    """It went through a terminal, which ends lines in its own way."""
    service = Upstart(app)
    assert service.log(42) == ""
    log = Path(upstart.LOGS, "blog-42.log")
    log.write_bytes(
        b"greenroom: starting blog, release 42\r\nof the first\r\n"
        b"greenroom: starting blog, release 42\r\nTraceback (most recent call last):\r\n"
        b"[2026-11-22 02:00:10 +0000] [8] [ERROR] Worker (pid:9) exited with code 1\r\n"
    )
    last = "[2026-11-22 02:00:10 +0000] [8] [ERROR] Worker (pid:9) exited with code 1"
    assert service.log(42) == f"Traceback (most recent call last):\n{last}"
    assert service.log_since(42, 1795312809.9) == f"{last}\n"


@pytest.mark.usefixtures("initctl")
def test_the_logs_of_releases_that_are_gone(app: App) -> None:
    os.mkdir(app.release(41))
    kept = ["blog-41.log", "blog-releases.log", "my-blog-3.log", "blog-x-40.log"]
    for name in [*kept, "blog-40.log", "blog-40.log.1", "blog-40.log.2.gz"]:
        Path(upstart.LOGS, name).touch()
    Upstart(app).start(42)
    assert sorted(os.listdir(upstart.LOGS)) == sorted(kept)


def test_what_crashes_and_was_only_just_started_again() -> None:
    begin = "greenroom: starting blog, release 42\nStarting gunicorn\n"
    crash = begin + "[7] Booting worker with pid: 8\nRuntimeError: Stage fright\n"
    assert "Stage fright" in of_last_start(crash + begin)
    assert "Stage fright" not in of_last_start(crash + begin + "[9] Booting worker with pid: 10\n")
    assert of_last_start(begin) == "Starting gunicorn"
    assert of_last_start("") == ""


def test_the_releases_in_a_list_of_jobs() -> None:
    listed = (
        "blog (7) start/running, process 70\n"
        "blog (8) stop/post-stop, process 80\n"
        "blog (9) start/post-start, (post-start) process 90\n"
        "blog (10) start/starting\n"
        "blog (11) stop/killed, process 110\n\tpost-start process 111\n"
        "my-blog (1) start/running, process 10\nblog-releases stop/waiting\n"
        "blog (x) start/running\n"
    )
    assert instances_of("blog", listed) == {
        7: Instance("start", "running", 70),
        8: Instance("stop", "post-stop", 80),
        9: Instance("start", "post-start", 90),
        10: Instance("start", "starting", 0),
        11: Instance("stop", "killed", 110),
    }
