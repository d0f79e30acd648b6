# PRIVATE to the collection: one program of supervisor a release, APP@42.
#
# supervisor is asked over its own socket (XML-RPC), as supervisorctl does: one program at a time,
# so that no other is touched, and in a millisecond, where supervisorctl takes a fifth of a second.
from __future__ import annotations

import os
import re
import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils import _init_system
from ansible_collections.greenroom.django.plugins.module_utils._app import App, replace_link
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import (
    read_file,
    remove,
    write_file,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.base import ServiceManager
from ansible_collections.greenroom.django.plugins.module_utils._service.launched import (
    START_TIMEOUT,
    STOP_TIMEOUT,
    listens,
    of_last_start,
    read_end,
    remove_logs,
    written_since,
)

CONFIGURATION = "/etc/supervisor/supervisord.conf"
PROGRAMS = "/etc/supervisor/conf.d"
# The programs that have not taken the stage. It is empty after a boot, and so they don't come up.
GREEN_ROOM = "/run/greenroom"
LOGS = "/var/log/supervisor"

# What supervisor calls the states of a program, and its faults; the first one is ours.
UP = ("STARTING", "RUNNING")
WITH_A_PROCESS = (*UP, "BACKOFF", "STOPPING")
NO_SOCKET, BAD_NAME, ALREADY_STARTED, NOT_RUNNING = 0, 10, 60, 70


class Supervisor(ServiceManager):
    """Starts, stops and asks after the releases of one app."""

    def __init__(self, app: App) -> None:
        self.app = app
        # What every program of the app is like; site.yml writes it.
        self.described = os.path.join(app.etc, "supervisor.conf")

    @staticmethod
    def is_available() -> bool:
        """Whether this host can have it: its package has a unit."""
        return _init_system.has_units()

    def is_prepared(self) -> bool:
        """Whether site.yml has prepared it for the app."""
        return os.path.exists(self.described)

    def conflicting_files(self) -> list[str]:
        """The files of the system that those of an app of this name would take the place of."""
        return [path for path in (f"{LOGS}/{self.app.name}",) if os.path.lexists(path)]

    def program(self, number: int) -> str:
        """The name of the program of release ``number``."""
        return f"{self.app.name}@{number}"

    def start(self, number: int) -> None:
        """Start a release, or leave it be when it runs, and wait until it listens.

        Raises GreenroomError when it does not come up.
        """
        self._tidy(number)
        if not self.is_active(number):
            self._remove(number)
            self._describe(number)
            self._ask("reloadConfig")  # it reads; nothing is done to any program
            self._ask("addProcessGroup", self.program(number))
            self._ask("startProcess", self.program(number), False, fine=(ALREADY_STARTED,))
        deadline = time.monotonic() + START_TIMEOUT
        while not listens(self.app.socket(number)):
            if not self.is_active(number) or time.monotonic() > deadline:
                raise GreenroomError(f"{self.program(number)} did not start: {self.state(number)}.")
            time.sleep(0.02)

    def stop(self, number: int) -> None:
        """Ask a release to finish its scene and leave; this does not wait for it.

        The launcher drains first, so that nobody who runs ``supervisorctl stop`` by hand loses a
        request either.
        """
        fine = (BAD_NAME, NOT_RUNNING, NO_SOCKET)
        self._ask("stopProcess", self.program(number), False, fine=fine)

    def restart(self) -> None:
        """Have the releases that run start anew."""
        for number in [number for number in self.running() if self.is_active(number)]:
            self.stop(number)
            self.start(number)  # which waits until the one before has left

    def enable(self, number: int) -> None:
        """Have a release come up at boot.

        What supervisor reads stays the same, so ``supervisorctl update`` has nothing to restart.
        """
        if number not in self.enabled():
            path = self._path(number)
            there = os.path.exists(path)
            write_file(path, read_file(path) if there else self._description(number))
            remove(self._path(number, GREEN_ROOM))

    def disable(self, number: int) -> None:
        """Don't have a release come up at boot any more. While it runs, supervisor remembers it."""
        remove(self._path(number))
        remove(self._path(number, GREEN_ROOM))

    def state(self, number: int) -> str:
        """What supervisor says of a release, in its words: ``running``, ``fatal (…)``."""
        return state_in_words(self._programs().get(number))

    def is_active(self, number: int) -> bool:
        """Whether a release is up (not: stopping, or waiting for another try)."""
        return self._programs().get(number, {}).get("statename") in UP

    def running(self) -> list[int]:
        """The releases that have a process: up, starting, or finishing their scene."""
        programs = self._programs()
        return sorted(n for n in programs if programs[n]["statename"] in WITH_A_PROCESS)

    def enabled(self) -> list[int]:
        """The releases that come up at boot."""
        return [n for n in self._described() if not os.path.islink(self._path(n))]

    def log(self, number: int) -> str:
        """What a release wrote last and is telling, since its last start; no dates and names."""
        return of_last_start(read_end(self._log(number)))

    def log_since(self, number: int, since: float) -> str:
        """What a release wrote since a moment, in Unix seconds."""
        return written_since(read_end(self._log(number)), since)

    def green_room(self, number: int) -> str:
        """Where a release answers before visitors get to it: its socket."""
        return self.app.socket(number)

    def uninstall(self) -> None:
        """Take away all that it has of the app, of which nothing runs any more; logs stay."""
        for number in self._programs():
            self._remove(number)
        for number in self._described():
            self.disable(number)
        remove(self.described)

    def _path(self, number: int, folder: str | None = None) -> str:
        return os.path.join(folder or PROGRAMS, f"{self.program(number)}.conf")

    def _described(self) -> list[int]:
        """The releases that have a program's file."""
        names = os.listdir(PROGRAMS) if os.path.isdir(PROGRAMS) else []
        return numbers_of(self.app.name, names)

    def _description(self, number: int) -> str:
        return f"[program:{self.program(number)}]\n{read_file(self.described)}"

    def _describe(self, number: int) -> None:
        """Write the program of a release, for as long as the host is up or for longer."""
        if number in self.enabled():
            write_file(self._path(number), self._description(number))
            return
        os.makedirs(GREEN_ROOM, mode=0o755, exist_ok=True)
        write_file(self._path(number, GREEN_ROOM), self._description(number))
        replace_link(self._path(number), self._path(number, GREEN_ROOM))

    def _remove(self, number: int) -> None:
        """Have supervisor forget a program; one that is leaving ends first."""
        deadline = time.monotonic() + STOP_TIMEOUT
        while (program := self._programs().get(number)) is not None:
            if program["statename"] == "BACKOFF":
                self.stop(number)
            elif program["statename"] != "STOPPING":
                self._ask("removeProcessGroup", self.program(number), fine=(BAD_NAME,))
            elif time.monotonic() > deadline:
                raise GreenroomError(f"{self.program(number)} does not end.")
            else:
                time.sleep(0.05)

    def _tidy(self, number: int) -> None:
        """Take away what is left of releases that have ended, but for that of ``number``."""
        enabled, programs = self.enabled(), self._programs()
        for other in {*programs, *self._described()} - {number, *enabled}:
            if programs.get(other, {}).get("statename") not in WITH_A_PROCESS:
                self._remove(other)
                self.disable(other)
        remove_logs(self.app, os.path.join(LOGS, self.app.name), f"{self.app.name}@")

    def _log(self, number: int) -> str:
        return os.path.join(LOGS, self.app.name, f"{self.program(number)}.log")

    def _programs(self) -> dict[int, dict[str, Any]]:
        """The app's programs that supervisor knows, by release; none where it does not run."""
        programs = self._ask("getAllProcessInfo", fine=(NO_SOCKET,)) or []
        found = {program["group"]: program for program in programs}
        numbers = {name: numbers_of(self.app.name, [name]) for name in found}
        return {numbers[name][0]: found[name] for name in found if numbers[name]}

    @staticmethod
    def _ask(method: str, *arguments: Any, fine: tuple[int, ...] = ()) -> Any:
        """Ask supervisor; None where its fault is one that is ``fine``. Raises GreenroomError."""
        # Here, since a host compiles all that a module imports, and most hosts have no supervisor.
        from ansible_collections.greenroom.django.plugins.module_utils._service import (
            supervisor_socket,
        )

        return supervisor_socket.ask(CONFIGURATION, method, arguments, fine)


def state_in_words(program: dict[str, Any] | None) -> str:
    """The state of a program, and what went wrong: ``fatal (Exited too quickly …)``."""
    if program is None:
        return "inactive"
    state, fault = str(program["statename"]).lower(), program.get("spawnerr", "")
    return f"{state} ({fault})" if fault else state


def numbers_of(app_name: str, names: list[str]) -> list[int]:
    """The releases of an app in a list of programs, or of their files."""
    pattern = re.compile(rf"{re.escape(app_name)}@(\d+)(\.conf)?\Z")
    return sorted(int(found[1]) for found in map(pattern.match, names) if found)
