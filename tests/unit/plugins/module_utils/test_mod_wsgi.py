"""Releases behind the two doors of Apache's, by processes that go by what the doors say."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import Address
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS, mod_wsgi
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import ModWsgi
from ansible_collections.greenroom.django.plugins.module_utils._workers import first_crash

APACHE, SHELL = 10, 11  # processes that are always there


class Apache:
    """Has a process a door, which does at each look what roles/gunicorn/files/door would."""

    def __init__(self, app: App, proc: Path, user: int) -> None:
        self.app, self.proc, self.user = app, proc, user
        self.processes: dict[int, tuple[str, int | None]] = {}
        self.next, self.is_up, self.is_slow = 100, True, 0
        self.write(APACHE, "apache2", 1, 0)
        self.write(SHELL, "release-99", 1, user)  # somebody's own program of that name
        self.look()

    def write(self, pid: int, name: str, parent: int, user: int) -> None:
        (self.proc / str(pid)).mkdir(exist_ok=True)
        status = f"Name:\t{name}\nPPid:\t{parent}\nUid:\t{user}\t{user}\t{user}\t{user}\n"
        (self.proc / str(pid) / "status").write_text(status)

    def release(self, door: str) -> int | None:
        path = os.path.realpath(os.path.join(self.app.etc, f"door-{door}"))
        return int(os.path.basename(path)) if os.path.isdir(path) else None

    def look(self) -> None:
        for door in "ab" if self.is_up else "":
            mine = [pid for pid, (where, _) in self.processes.items() if where == door]
            for pid in mine:
                number = self.processes[pid][1]
                if number is None:
                    self.call(pid, door, self.release(door))
                elif number != self.release(door):
                    if self.is_slow:
                        self.is_slow -= 1
                    else:
                        self.end(pid)
            if not any(where == door for where, _ in self.processes.values()):
                self.call(self.next, door, None)
                self.next += 1

    def call(self, pid: int, door: str, number: int | None) -> None:
        self.processes[pid] = (door, number)
        self.write(pid, f"release-{number}" if number else "apache2", APACHE, self.user)

    def end(self, pid: int) -> None:
        del self.processes[pid]
        (self.proc / str(pid) / "status").unlink()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    app = App("blog", root=str(tmp_path))
    for number in (41, 42, 43, 44):
        os.makedirs(app.backstage(number))
    os.makedirs(app.etc)
    Path(app.etc, "doors.json").write_text('{"leaving": 36}')
    monkeypatch.setattr(mod_wsgi, "GREEN_ROOM", str(tmp_path / "run" / "greenroom"))
    monkeypatch.setattr(mod_wsgi, "LOGS", str(tmp_path))
    monkeypatch.setattr("pwd.getpwnam", lambda _: SimpleNamespace(pw_uid=997))
    return app


@pytest.fixture
def apache(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apache:
    (tmp_path / "proc").mkdir()
    apache = Apache(app, tmp_path / "proc", 997)
    monkeypatch.setattr("time.sleep", lambda _: apache.look())

    def kill(pid: int, number: int) -> None:
        assert number == signal.SIGTERM
        apache.end(pid)

    monkeypatch.setattr("os.kill", kill)
    return apache


@pytest.fixture
def service(app: App, apache: Apache) -> ModWsgi:
    return ModWsgi(app, str(apache.proc))


def marks(app: App, number: int) -> list[str]:
    folder = os.path.join(app.backstage(number), "door")
    return os.listdir(folder) if os.path.isdir(folder) else []


def take_the_stage(app: App, service: ModWsgi, number: int) -> None:
    service.start(number)
    service.enable(number)
    before = app.serving()
    app.put_on_stage(number)
    if before:
        service.disable(before)
        service.stop(before)


def test_a_release_waits_behind_a_door(app: App, service: ModWsgi) -> None:
    assert service.state(42) == "inactive"
    service.start(42)
    assert service.is_active(42)
    assert service.running() == [42]
    assert marks(app, 42) == ["a"]
    assert service.enabled() == [], "a boot would not bring it up"
    service.start(42)
    assert service.running() == [42]


def test_what_is_enabled_comes_up_at_boot_and_the_other_does_not(
    app: App, service: ModWsgi, apache: Apache
) -> None:
    take_the_stage(app, service, 42)
    service.start(43)
    assert service.enabled() == [42]
    for name in os.listdir(mod_wsgi.GREEN_ROOM):
        os.unlink(os.path.join(mod_wsgi.GREEN_ROOM, name))
    assert (apache.release("a"), apache.release("b")) == (42, None)
    assert service.state(43) == "leaving", "it sees that it is called away"


def test_releases_take_turns(app: App, service: ModWsgi, apache: Apache) -> None:
    for number, door in ((41, "a"), (42, "b"), (43, "a"), (41, "b")):
        take_the_stage(app, service, number)
        assert marks(app, number) == [door]
        assert service.enabled() == [number]
        apache.look()
        apache.look()
        assert service.running() == [number]


def test_no_visitor_is_led_to_one_that_is_still_leaving(
    app: App, service: ModWsgi, apache: Apache
) -> None:
    """The next one behind that door is there when the one before has gone."""
    take_the_stage(app, service, 41)
    take_the_stage(app, service, 42)
    apache.is_slow = 5
    assert (service.state(41), service.running()) == ("leaving", [41, 42])
    service.start(43)
    assert service.running() == [42, 43]
    assert apache.is_slow == 0


def test_one_that_does_not_leave_is_killed(
    app: App, service: ModWsgi, apache: Apache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one is that does not listen to SIGTERM."""
    Path(app.etc, "doors.json").write_text('{"leaving": 0}')
    take_the_stage(app, service, 41)
    take_the_stage(app, service, 42)
    apache.is_slow = 10**6
    killed = []

    def kill(pid: int, number: int) -> None:
        killed.append((apache.processes[pid][1], number))
        apache.end(pid)

    monkeypatch.setattr("os.kill", kill)
    service.start(43)
    assert killed == [(41, signal.SIGKILL)]
    assert service.running() == [42, 43]


def test_one_that_lost_its_way_gives_up_its_door(app: App, service: ModWsgi) -> None:
    """A run that died left it in the green room."""
    take_the_stage(app, service, 42)
    service.start(43)
    service.start(44)
    assert service.running() == [42, 44]


def test_a_run_that_died_between_enabling_and_retiring(app: App, service: ModWsgi) -> None:
    """Both come up at boot then; the one on stage stays, and the other gives up its door."""
    for number in (42, 43):
        service.start(number)
        service.enable(number)
    app.put_on_stage(43)
    service.start(44)
    assert service.running() == [43, 44]
    assert service.enabled() == [43]


def test_one_that_was_stopped_on_stage_comes_up_at_boot_when_it_is_back(
    app: App, service: ModWsgi, apache: Apache
) -> None:
    """As a restore does, in a maintenance."""
    take_the_stage(app, service, 42)
    service.stop(42)
    assert marks(app, 42) == ["a"], "nobody else is to be asked"
    apache.look()
    apache.look()
    assert service.running() == []
    service.start(42)
    assert service.enabled() == [42]


def test_marks_go_with_the_release(app: App, service: ModWsgi) -> None:
    """Another service manager may start it next."""
    take_the_stage(app, service, 42)
    take_the_stage(app, service, 43)
    assert marks(app, 42) == []
    assert os.listdir(app.backstage(42)) == []


def test_an_apache_that_has_no_processes_for_it(
    service: ModWsgi, apache: Apache, monkeypatch: pytest.MonkeyPatch
) -> None:
    apache.is_up = False
    for pid in list(apache.processes):
        apache.end(pid)
    monkeypatch.setattr(mod_wsgi, "PROCESS_TIMEOUT", 0)
    with pytest.raises(GreenroomError, match="Apache runs no processes for blog"):
        service.start(42)


def test_one_that_never_comes(
    service: ModWsgi, apache: Apache, monkeypatch: pytest.MonkeyPatch
) -> None:
    apache.is_up = False
    monkeypatch.setattr(mod_wsgi, "START_TIMEOUT", 0)
    with pytest.raises(GreenroomError, match="did not start in Apache: nothing came"):
        service.start(42)
    assert service.state(42) == "starting"


def test_a_restart_is_new_processes(service: ModWsgi, apache: Apache) -> None:
    service.start(42)
    before = dict(apache.processes)
    service.restart()
    assert service.running() == [42]
    [pid] = [pid for pid, (_, number) in apache.processes.items() if number == 42]
    assert pid not in before


def test_where_it_can_be_asked(app: App, service: ModWsgi) -> None:
    told = {"addresses": {"a": "127.3.229.1", "b": "127.3.229.2"}, "port": 80}
    assert service.has_processes()
    Path(app.etc, "doors.json").write_text(json.dumps(told))
    assert service.is_prepared()
    service.start(42)
    service.start(43)
    assert service.green_room(42) == Address("127.3.229.1", 80)
    assert service.green_room(43) == Address("127.3.229.2", 80)
    with pytest.raises(GreenroomError, match="Release 44 is behind no door"):
        service.green_room(44)


def test_what_it_wrote(service: ModWsgi, tmp_path: Path) -> None:
    service.start(42)
    (tmp_path / "blog-a.log").write_text(
        "greenroom: starting blog, release 42\n"
        "[2026-11-22 09:00:00 +0000] [7] A process of Apache's begins\nold\n"
        "greenroom: starting blog, release 42\n"
        "[2026-11-22 10:00:00 +0000] [8] A process of Apache's begins\nnew\n"
    )
    assert "new" in service.log(42)
    assert "old" not in service.log(42)
    at_ten = 1795341600
    assert "new" in service.log_since(42, at_ten)
    assert "old" not in service.log_since(42, at_ten)
    assert service.log(44) == service.log_since(44, 0) == ""


def test_a_process_that_died(service: ModWsgi, apache: Apache, tmp_path: Path) -> None:
    service.start(42)
    [pid] = [pid for pid, (_, number) in apache.processes.items() if number == 42]
    begins = "[2026-11-22 10:00:00 +0000] [{}] A process of Apache's begins\n"
    (tmp_path / "blog-a.log").write_text(begins.format(pid))
    assert first_crash(service.log_since(42, 0)) == ""
    (tmp_path / "blog-a.log").write_text(begins.format(5) + begins.format(pid))
    assert first_crash(service.log_since(42, 0)) == "Worker (pid:5) crashed"


def test_nothing_is_left_when_it_is_forgotten(app: App, service: ModWsgi, apache: Apache) -> None:
    take_the_stage(app, service, 42)
    service.start(43)
    service.uninstall()
    assert os.listdir(app.etc) == []
    assert os.listdir(mod_wsgi.GREEN_ROOM) == []
    assert marks(app, 42) == marks(app, 43) == []
    assert not service.is_prepared()
    apache.look()
    apache.look()
    assert service.running() == []


def test_it_is_in_the_registry() -> None:
    assert MANAGERS["mod_wsgi"] is ModWsgi
