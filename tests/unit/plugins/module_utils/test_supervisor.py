"""What supervisor is asked for, over a real socket, by a stand-in that keeps its rules."""

from __future__ import annotations

import os
import re
import socket
import socketserver
import threading
import xmlrpc.client
import xmlrpc.server
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_file
from ansible_collections.greenroom.django.plugins.module_utils._service import supervisor
from ansible_collections.greenroom.django.plugins.module_utils._service.launched import (
    written_since,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.supervisor import (
    Supervisor,
    numbers_of,
    state_in_words,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.supervisor_socket import (
    access,
    ask,
)


class Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False  # a unix socket has none

    def do_POST(self) -> None:  # noqa: N802 - its parent calls it that
        self.server.callers.append(self.headers.get("Authorization", ""))  # type: ignore[attr-defined]
        super().do_POST()


class Supervisord(socketserver.UnixStreamServer, xmlrpc.server.SimpleXMLRPCDispatcher):
    """Reads files and keeps states as supervisord does; what it starts listens, or dies at once."""

    logRequests = False  # noqa: N815 - its handler asks for it

    def __init__(self, app: App, folder: Path) -> None:
        xmlrpc.server.SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        super().__init__(str(folder / "s"), Handler)
        self.app, self.conf = app, folder / "conf.d"
        self.states: dict[str, str] = {"other": "RUNNING"}
        self.told: list[str] = []
        self.callers: list[str] = []
        self.read: set[str] = set()
        self.dies = False
        self.sockets: list[socket.socket] = []
        functions: dict[str, Any] = {
            "reloadConfig": self.reload,
            "addProcessGroup": self.add,
            "removeProcessGroup": self.remove,
            "startProcess": self.start,
            "stopProcess": self.stop,
            "getAllProcessInfo": self.info,
        }
        for name, function in functions.items():
            self.register_function(function, f"supervisor.{name}")

    def reload(self) -> None:
        texts = [path.read_text() for path in self.conf.glob("*.conf") if path.exists()]
        self.read = set(re.findall(r"^\[program:(.+)\]$", "".join(texts), re.MULTILINE))

    def add(self, name: str) -> bool:
        if name not in self.read:
            raise xmlrpc.client.Fault(10, f"BAD_NAME: {name}")
        if name in self.states:
            raise xmlrpc.client.Fault(90, f"ALREADY_ADDED: {name}")
        self.states[name] = "STOPPED"
        return True

    def remove(self, name: str) -> bool:
        if self.states[name] in ("STARTING", "RUNNING", "STOPPING", "BACKOFF"):
            raise xmlrpc.client.Fault(91, f"STILL_RUNNING: {name}")
        self.told.append(f"remove {name}")
        del self.states[name]
        return True

    def start(self, name: str, wait: bool = True) -> bool:
        assert not wait, "that is until it has been up for a while"
        self.told.append(f"start {name}")
        self.states[name] = "BACKOFF" if self.dies else "STARTING"
        if not self.dies:
            listener = socket.socket(socket.AF_UNIX)
            path = self.app.socket(int(name.partition("@")[2]))
            Path(path).unlink(missing_ok=True)
            listener.bind(path)
            listener.listen()
            self.sockets.append(listener)
        return True

    def stop(self, name: str, wait: bool = True) -> bool:
        if self.states.get(name) not in ("STARTING", "RUNNING", "BACKOFF"):
            raise xmlrpc.client.Fault(70, f"NOT_RUNNING: {name}")
        self.told.append(f"stop {name}")
        ended = wait or self.states[name] == "BACKOFF"
        self.states[name] = "STOPPED" if ended else "STOPPING"
        return True

    def info(self) -> list[dict[str, Any]]:
        return [
            {"group": name, "name": name, "statename": state, "spawnerr": ""}
            for name, state in self.states.items()
        ]


@pytest.fixture
def supervisord(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisord]:
    """A host with supervisor, that was prepared for the app."""
    short = Path(os.path.relpath(tmp_path))  # the path of a socket must be short
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "supervisord.conf").write_text(
        f"[unix_http_server]\nfile={short}/s ; where\nusername=ada\npassword=p:@%s/%%\n"
    )
    monkeypatch.setattr(supervisor, "CONFIGURATION", str(tmp_path / "supervisord.conf"))
    monkeypatch.setattr(supervisor, "PROGRAMS", str(tmp_path / "conf.d"))
    monkeypatch.setattr(supervisor, "GREEN_ROOM", str(tmp_path / "run/greenroom"))
    monkeypatch.setattr(supervisor, "LOGS", str(tmp_path / "log"))
    app.run = str(short / "run" / "blog")
    write_file(os.path.join(app.etc, "supervisor.conf"), "command=/bin/launch %(program_name)s\n")
    server = Supervisord(app, short)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
    for listener in server.sockets:
        listener.close()


def files() -> dict[str, bool]:
    """The programs that have a file, and whether that outlives a boot."""
    folder = Path(supervisor.PROGRAMS)
    return {path.name: not path.is_symlink() for path in folder.iterdir()}


def test_a_release_starts_and_does_not_come_up_at_boot(app: App, supervisord: Supervisord) -> None:
    service = Supervisor(app)
    service.start(42)
    assert supervisord.states == {"other": "RUNNING", "blog@42": "STARTING"}
    assert files() == {"blog@42.conf": False}
    assert (service.running(), service.enabled(), service.is_active(42)) == ([42], [], True)
    assert supervisord.told == ["start blog@42"]
    service.start(42)
    assert supervisord.told == ["start blog@42"], "it is left be where it runs"


def test_who_asks_is_said_where_supervisor_wants_to_know(
    app: App, supervisord: Supervisord
) -> None:
    Supervisor(app).running()
    assert [b64decode(who.split()[1]) for who in supervisord.callers] == [b"ada:p:@%s/%%"]


@pytest.mark.usefixtures("supervisord")
def test_on_stage_it_comes_up_at_boot_and_supervisor_reads_the_same(app: App) -> None:
    service = Supervisor(app)
    service.start(42)
    path = Path(supervisor.PROGRAMS, "blog@42.conf")
    before = path.read_text()
    assert before == "[program:blog@42]\ncommand=/bin/launch %(program_name)s\n"
    write_file(service.described, "command=/bin/other\n")
    service.enable(42)
    assert (files(), service.enabled()) == ({"blog@42.conf": True}, [42])
    assert path.read_text() == before
    assert os.listdir(supervisor.GREEN_ROOM) == []
    service.enable(42)
    service.disable(42)
    assert (files(), service.enabled()) == ({}, [])
    service.disable(42)


def test_stopping_does_not_wait_and_touches_no_other(app: App, supervisord: Supervisord) -> None:
    service = Supervisor(app)
    service.start(42)
    service.stop(42)
    assert supervisord.states["blog@42"] == "STOPPING"
    assert (service.running(), service.is_active(42)) == ([42], False)
    service.stop(42)
    service.stop(7)
    assert supervisord.told == ["start blog@42", "stop blog@42"]


def test_the_next_start_tidies_up(app: App, supervisord: Supervisord, tmp_path: Path) -> None:
    service = Supervisor(app)
    logs = tmp_path / "log" / "blog"
    logs.mkdir(parents=True)
    for name in ("blog@40.log", "blog@40.log.1", "blog@41.log", "notes.txt"):
        (logs / name).touch()
    os.mkdir(app.release(41))
    for number in (41, 42, 43):
        service.start(number)
    service.enable(42)
    supervisord.states |= {"blog@41": "STOPPED", "blog@42": "FATAL", "blog@43": "STOPPING"}
    service.start(44)
    assert supervisord.states.keys() == {"other", "blog@42", "blog@43", "blog@44"}
    assert files() == {"blog@42.conf": True, "blog@43.conf": False, "blog@44.conf": False}
    assert sorted(os.listdir(logs)) == ["blog@41.log", "notes.txt"]


def test_one_that_ended_starts_with_what_is_set_now(app: App, supervisord: Supervisord) -> None:
    service = Supervisor(app)
    service.start(42)
    service.enable(42)
    supervisord.states["blog@42"] = "FATAL"
    write_file(service.described, "command=/bin/other\n")
    service.start(42)
    assert supervisord.told[-2:] == ["remove blog@42", "start blog@42"]
    assert "command=/bin/other" in Path(supervisor.PROGRAMS, "blog@42.conf").read_text()
    assert service.enabled() == [42]


def test_one_that_is_leaving_ends_before_it_starts_again(
    app: App, supervisord: Supervisord, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Supervisor(app)
    service.start(42)
    service.stop(42)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        supervisord.states["blog@42"] = "STOPPED"

    monkeypatch.setattr("time.sleep", nap)
    service.start(42)
    assert naps
    assert supervisord.told[-2:] == ["remove blog@42", "start blog@42"]


def test_one_that_dies_is_told_at_once(app: App, supervisord: Supervisord) -> None:
    supervisord.dies = True
    with pytest.raises(GreenroomError, match="blog@42 did not start: backoff"):
        Supervisor(app).start(42)


def test_a_restart(app: App, supervisord: Supervisord, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Supervisor(app)
    service.start(41)
    service.start(42)
    service.stop(41)
    left = {"blog@42": "STOPPED"}
    monkeypatch.setattr("time.sleep", lambda _: supervisord.states.update(left))
    service.restart()
    assert supervisord.told[-3:] == ["stop blog@42", "remove blog@42", "start blog@42"]
    assert supervisord.states["blog@41"] == "STOPPING"


def test_all_of_it_goes(app: App, supervisord: Supervisord) -> None:
    service = Supervisor(app)
    service.start(42)
    service.enable(42)
    supervisord.states["blog@42"] = "STOPPED"
    assert service.is_prepared()
    service.uninstall()
    assert supervisord.states == {"other": "RUNNING"}
    assert (files(), service.is_prepared()) == ({}, False)


def test_a_program_that_is_not_read(
    app: App, supervisord: Supervisord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisord, "conf", Path("/nowhere"))
    with pytest.raises(GreenroomError, match=r"BAD_NAME: blog@42\. Does .* include .*/\*\.conf\?"):
        Supervisor(app).start(42)


def test_where_supervisor_does_not_run(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "supervisord.conf"
    settings.write_text(f"[unix_http_server]\nfile={tmp_path}/s\n")
    monkeypatch.setattr(supervisor, "CONFIGURATION", str(settings))
    service = Supervisor(app)
    assert (service.running(), service.is_active(42), service.state(42)) == ([], False, "inactive")
    service.stop(42)  # nothing runs that it could ask
    with pytest.raises(GreenroomError, match=r"does not answer on .*/s .*: systemctl status"):
        ask(str(settings), "reloadConfig", (), ())


def test_where_nothing_is_said_of_its_socket(tmp_path: Path) -> None:
    assert access(str(tmp_path / "none")) == ("/var/run/supervisor.sock", "")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (None, "inactive"),
        ({"statename": "RUNNING", "spawnerr": ""}, "running"),
        ({"statename": "FATAL", "spawnerr": "can't find command"}, "fatal (can't find command)"),
    ],
)
def test_a_state_in_words(program: dict[str, Any] | None, words: str) -> None:
    assert state_in_words(program) == words


def test_the_releases_in_a_list() -> None:
    names = ["blog@9.conf", "blog@41", "blog@7.log", "my-blog@3", "blog", "blog@x"]
    assert numbers_of("blog", [*names, "blog@4.conf.new", "blogs@5"]) == [9, 41]


LOG = """\
greenroom: starting blog, release 42
[2026-11-22 02:00:00 +0000] [7] [INFO] Starting gunicorn 23.0.0
of the first
greenroom: starting blog, release 42
Traceback (most recent call last):
[2026-11-22 02:00:10 +0000] [8] [ERROR] Worker (pid:9) exited with code 1
and more
"""


def test_what_a_release_wrote(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOGS", str(tmp_path))
    service = Supervisor(app)
    assert service.log(42) == ""
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog" / "blog@42.log").write_text(LOG)
    assert service.log(42) == LOG.split("release 42\n")[2].strip()
    assert service.log_since(42, 1795312809.9) == "".join(LOG.splitlines(keepends=True)[-2:])


@pytest.mark.parametrize(("since", "lines"), [(0, 6), (1795312800.9, 6), (1795312801, 2), (2e9, 0)])
def test_what_was_written_since(since: float, lines: int) -> None:
    assert len(written_since(LOG, since).splitlines()) == lines
