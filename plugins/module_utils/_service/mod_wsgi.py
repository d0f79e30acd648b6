# PRIVATE to the collection: releases in processes of Apache's own, by mod_wsgi, behind two doors.
#
# A group of daemon processes can be added to a running Apache only by a reload, which ends those of
# all others. So an app has two that are always there, APP-a and APP-b. /etc/APP/door-a leads to the
# tree of the release that is to be behind it, and the processes go by that: one without a release
# waits for it, and one whose release is called away finishes and ends (roles/gunicorn/files/door).
# The tree says which door it is behind, below `current`, where Apache looks at every request.
from __future__ import annotations

import json
import os
import pwd
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils import _init_system
from ansible_collections.greenroom.django.plugins.module_utils._app import App, replace_link
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import read_file, remove
from ansible_collections.greenroom.django.plugins.module_utils._http import Address
from ansible_collections.greenroom.django.plugins.module_utils._service.base import ServiceManager
from ansible_collections.greenroom.django.plugins.module_utils._service.launched import (
    START_TIMEOUT,
    STOP_TIMEOUT,
    of_last_start,
    read_end,
    written_since,
)
from ansible_collections.greenroom.django.plugins.module_utils._workers import crash_line

DOORS = ("a", "b")
# The ways to the releases that have not taken the stage. It is empty after a boot.
GREEN_ROOM = "/run/greenroom"
LOGS = "/var/log/apache2"
PROGRAM = "apache2"
_STARTED = re.compile(r"^\[[^]]*\] \[(\d+)\] A process of Apache's begins$", re.MULTILINE)
PROCESS_TIMEOUT = 10  # seconds until Apache must have a process for the app


class ModWsgi(ServiceManager):
    """Starts, stops and asks after the releases of one app."""

    def __init__(self, app: App, proc: str = "/proc") -> None:
        self.app = app
        self.proc = proc
        # What the processes go by, and where each door is; site.yml writes it.
        self.described = os.path.join(app.etc, "doors.json")

    runs_in_web_server = True

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with another web server: this one is a part of Apache."""
        server = settings.get("app_web_server", "apache")
        if server == "apache":
            return []
        return [
            "app_service_manager is 'mod_wsgi', which is a part of Apache's, and app_web_server "
            f"is {server!r}; it should be apache."
        ]

    @staticmethod
    def is_available() -> bool:
        """Whether this host can have it: the unit of Apache is what runs it."""
        return _init_system.has_units()

    def is_prepared(self) -> bool:
        """Whether site.yml has prepared it for the app."""
        return os.path.exists(self.described)

    def conflicting_files(self) -> list[str]:
        """The files of the system that those of an app of this name would take the place of."""
        return []

    def start(self, number: int) -> None:
        """Have a release behind a door, or leave it be where it is, and wait until it comes.

        Raises GreenroomError when it does not.
        """
        if self._door_of(number) is None:
            door = self._free_door()
            self._mark(number, door)
            self._lead_by_the_green_room(door, number)
        if number == self.app.serving():
            self.enable(number)  # stopping it took that away
        self._wait_for(number)

    def stop(self, number: int) -> None:
        """Ask a release to finish its scene and leave; this does not wait for it.

        Its processes see that it is called away, and go on accepting for ``gunicorn_drain``
        seconds.
        """
        if door := self._door_of(number):
            remove(self._path(door))
            remove(self._path_by_the_green_room(door))
            if number != self.app.serving():
                self._unmark(number)

    def restart(self) -> None:
        """Have the releases that run start anew, the processes of each when they have answered."""
        for number in [number for number in self.running() if self.is_active(number)]:
            before = self._processes()
            for pid in [pid for pid in before if before[pid] == number]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            self._wait_for(number, but_for=set(before))

    def enable(self, number: int) -> None:
        """Have a release come up at boot."""
        if door := self._door_of(number):
            replace_link(self._path(door), self.app.release(number))
            remove(self._path_by_the_green_room(door))

    def disable(self, number: int) -> None:
        """Don't have a release come up at boot any more."""
        if door := self._door_of(number):
            self._lead_by_the_green_room(door, number)

    def state(self, number: int) -> str:
        """How a release is: ``active``, ``leaving``, ``starting`` or ``inactive``."""
        is_running, is_wanted = number in self.running(), self._door_of(number) is not None
        words = {(True, True): "active", (True, False): "leaving", (False, True): "starting"}
        return words.get((is_running, is_wanted), "inactive")

    def is_active(self, number: int) -> bool:
        """Whether a release is up (not: starting or leaving)."""
        return self.state(number) == "active"

    def running(self) -> list[int]:
        """The releases that have a process: up, starting, or finishing their scene."""
        return sorted({number for number in self._processes().values() if number is not None})

    def enabled(self) -> list[int]:
        """The releases that come up at boot."""
        return sorted(n for door, n in self._behind().items() if self._is_enabled(door))

    def log(self, number: int) -> str:
        """What a release wrote last and is telling, since its last start; no dates and names."""
        return of_last_start(self._log(number))

    def log_since(self, number: int, since: float) -> str:
        """What a release wrote since a moment, in Unix seconds, and which processes died since."""
        text, alive = written_since(self._log(number), since), self._processes()
        gone = [pid for pid in map(int, _STARTED.findall(text)) if pid not in alive]
        return text + "".join(crash_line(pid) for pid in gone)

    def has_processes(self) -> bool:
        """Whether Apache has read that it is to run the app."""
        return bool(self._processes())

    def green_room(self, number: int) -> Address:
        """Where a release answers before visitors get to it: an address of its door's, and a port.

        Raises GreenroomError where it is behind none.
        """
        door = self._door_of(number)
        if door is None:
            raise GreenroomError(f"Release {number} is behind no door of Apache's.")
        told = self._told()
        return Address(told["addresses"][door], told["port"])

    def uninstall(self) -> None:
        """Take away all that it has of the app, of which nothing runs any more; logs stay."""
        for door in DOORS:
            remove(self._path(door))
            remove(self._path_by_the_green_room(door))
        for name in filter(str.isdigit, os.listdir(self.app.releases)):
            self._unmark(int(name))
        remove(self.described)

    def _told(self) -> dict[str, Any]:
        return dict(json.loads(read_file(self.described)))

    @staticmethod
    def _kill(processes: dict[int, int | None], numbers: set[int]) -> None:
        for pid in [pid for pid, number in processes.items() if number in numbers]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _path(self, door: str) -> str:
        return os.path.join(self.app.etc, f"door-{door}")

    def _path_by_the_green_room(self, door: str) -> str:
        return os.path.join(GREEN_ROOM, f"{self.app.name}-door-{door}")

    def _lead_by_the_green_room(self, door: str, number: int) -> None:
        os.makedirs(GREEN_ROOM, mode=0o755, exist_ok=True)
        replace_link(self._path_by_the_green_room(door), self.app.release(number))
        replace_link(self._path(door), self._path_by_the_green_room(door))

    def _is_enabled(self, door: str) -> bool:
        return os.readlink(self._path(door)) != self._path_by_the_green_room(door)

    def _behind(self) -> dict[str, int]:
        """The release that is to be behind each door that has one."""
        found = {door: _number_in(os.path.realpath(self._path(door)), self.app) for door in DOORS}
        return {door: number for door, number in found.items() if number is not None}

    def _door_of(self, number: int) -> str | None:
        return next((door for door, behind in self._behind().items() if behind == number), None)

    def _free_door(self) -> str:
        """A door with no release; else one whose release a run that died has left there."""
        behind, serving = self._behind(), self.app.serving()
        free = [door for door in DOORS if serving is None or behind.get(door) != serving]
        return min(free, key=lambda door: door in behind)

    def _mark(self, number: int, door: str) -> None:
        """Write into a tree, which is not on stage, which door it is behind."""
        self._unmark(number)
        with self.app.open_backstage(number) as backstage:
            backstage.mkdir("door")
            backstage.write(f"door/{door}", "")

    def _unmark(self, number: int) -> None:
        """Have a tree say nothing of doors any more, from one moment to the next."""
        with suppress(FileNotFoundError), self.app.open_backstage(number) as backstage:
            backstage.remove("door.gone")
            backstage.rename("door", "door.gone")
            backstage.remove("door.gone")

    def _processes(self) -> dict[int, int | None]:
        """The processes that Apache has for the app, and the release that each is of.

        They are its children that are the app's user. One that has a release is called after it.
        """
        user, found = str(pwd.getpwnam(self.app.user).pw_uid), {}
        for pid in filter(str.isdigit, os.listdir(self.proc)):
            status = self._status(pid)
            if status.get("Uid", "").split("\t")[0] == user:
                number = re.fullmatch(r"release-(\d+)", status["Name"])
                if self._status(status["PPid"]).get("Name") == PROGRAM:
                    found[int(pid)] = int(number[1]) if number else None
        return found

    def _status(self, pid: str) -> dict[str, str]:
        """What the kernel says of a process; nothing where it is over."""
        with suppress(OSError):
            lines = read_file(os.path.join(self.proc, pid, "status")).splitlines()
            return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return {}

    def _wait_for(self, number: int, but_for: set[int] | None = None) -> None:
        """Wait until a release has a process, other than some, and none is left of one that leaves.

        Raises GreenroomError.
        """
        began = time.monotonic()
        while True:
            processes = self._processes()
            here = {pid for pid, of in processes.items() if of == number} - (but_for or set())
            leaving = {of for of in processes.values() if of} - {*self._behind().values()}
            if here and not leaving:
                return
            waited = time.monotonic() - began
            if leaving and waited > self._told()["leaving"]:
                self._kill(processes, leaving)  # as a service manager does
            if not processes and waited > PROCESS_TIMEOUT:
                raise GreenroomError(
                    f"Apache runs no processes for {self.app.name}: systemctl status apache2 says "
                    "more. Where its site is not there, run site.yml."
                )
            if waited > (STOP_TIMEOUT if leaving else START_TIMEOUT):
                who = f"release {min(leaving)} does not leave" if leaving else "nothing came"
                raise GreenroomError(f"Release {number} did not start in Apache: {who}.")
            time.sleep(0.05)

    def _log(self, number: int) -> str:
        door = self._door_of(number)
        return read_end(os.path.join(LOGS, f"{self.app.name}-{door}.log")) if door else ""


def _number_in(path: str, app: App) -> int | None:
    """The release whose tree a path is in."""
    found = re.match(rf"{re.escape(app.releases)}/(\d+)(/|\Z)", path)
    return int(found[1]) if found else None
