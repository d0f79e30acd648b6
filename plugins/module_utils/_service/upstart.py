# PRIVATE to the collection: one instance of an upstart job a release, APP (42).
#
# upstart keeps a job as it read it for as long as any instance runs, and one always does here. So
# the job file says nothing that a setting could change; the launcher reads that at each start.
from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.greenroom.django.plugins.module_utils import _init_system
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import PATH, must_run, run
from ansible_collections.greenroom.django.plugins.module_utils._cron import cron_time
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

JOBS = "/etc/init"
LOGS = "/var/log/upstart"


class Instance(NamedTuple):
    """What upstart says of an instance: what it should become, what it is, its process or 0."""

    goal: str
    state: str
    process: int


class Upstart(ServiceManager):
    """Starts, stops and asks after the releases of one app."""

    def __init__(self, app: App) -> None:
        self.app = app
        # The releases that come up at boot, a line each; the job APP-releases reads it.
        self.at_boot = os.path.join(app.etc, "releases-at-boot")

    timer = _init_system.CRON

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the time of the backups, which cron has to keep."""
        at = str(settings.get("app_backup_at") or "")
        if not at or cron_time(at):
            return []
        return [
            f"app_backup_at is {at!r}, which cron cannot express, and upstart has no timers of its "
            "own; it should be hourly, daily, weekly, monthly, or such as *-*-* 03:30:00 or "
            "Mon..Fri 22:00"
        ]

    @staticmethod
    def is_available() -> bool:
        """Whether this host runs it."""
        if _init_system.has_units() or not shutil.which("initctl", path=PATH):
            return False
        return "upstart" in run(["initctl", "version"]).stdout

    def is_prepared(self) -> bool:
        """Whether site.yml has prepared it for the app."""
        return os.path.exists(self._jobs[0])

    @property
    def _jobs(self) -> list[str]:
        """The job that every release is an instance of, and the one that starts them at boot."""
        return [f"{JOBS}/{self.app.name}.conf", f"{JOBS}/{self.app.name}-releases.conf"]

    def conflicting_files(self) -> list[str]:
        """The files of the system that those of an app of this name would take the place of."""
        overrides = [path.replace(".conf", ".override") for path in self._jobs]
        return [path for path in (*self._jobs, *overrides) if os.path.lexists(path)]

    def instance(self, number: int) -> list[str]:
        """What names release ``number`` to initctl."""
        return [self.app.name, f"RELEASE={number}"]

    def start(self, number: int) -> None:
        """Start a release, or leave it be when it runs, and wait until it listens.

        Raises GreenroomError when it does not come up.
        """
        remove_logs(self.app, LOGS, f"{self.app.name}-")
        self._wait_while_it_leaves(number)
        told = run(["initctl", "start", *self.instance(number)])
        process = self._instances().get(number, Instance("stop", "waiting", 0)).process
        deadline = time.monotonic() + START_TIMEOUT
        while not listens(self.app.socket(number)):
            found = self._instances().get(number)
            # Another process is a second try of upstart, which knows no first one that failed.
            if not found or found.process != process or time.monotonic() > deadline:
                why = told.stderr.strip() or f"it ended, and is {self.state(number)} now"
                raise GreenroomError(f"{self.app.name} ({number}) did not start: {why}.")
            time.sleep(0.02)

    def _wait_while_it_leaves(self, number: int) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT
        while (found := self._instances().get(number)) and found.goal == "stop":
            if time.monotonic() > deadline:
                raise GreenroomError(f"{self.app.name} ({number}) does not end.")
            time.sleep(0.05)

    def stop(self, number: int) -> None:
        """Ask a release to finish its scene and leave; this does not wait for it.

        The launcher drains first, so that nobody who runs ``stop`` by hand loses a request either.
        """
        if self.is_active(number):
            run(["initctl", "stop", "--no-wait", *self.instance(number)])

    def restart(self) -> None:
        """Have the releases that run start anew."""
        for number in [number for number in self.running() if self.is_active(number)]:
            self.stop(number)
            self.start(number)  # which waits until the one before has left

    def enable(self, number: int) -> None:
        """Have a release come up at boot."""
        self._write({*self.enabled(), number})

    def disable(self, number: int) -> None:
        """Don't have a release come up at boot any more."""
        self._write({*self.enabled()} - {number})

    def _write(self, numbers: set[int]) -> None:
        if numbers != {*self.enabled()}:
            write_file(self.at_boot, "".join(f"{number}\n" for number in sorted(numbers)))

    def state(self, number: int) -> str:
        """What upstart says of a release, in its words: ``start/running``, ``stop/waiting``."""
        found = self._instances().get(number)
        return f"{found.goal}/{found.state}" if found else "stop/waiting"

    def is_active(self, number: int) -> bool:
        """Whether a release is up (not: stopping or failed)."""
        return self._instances().get(number, Instance("stop", "waiting", 0)).goal == "start"

    def running(self) -> list[int]:
        """The releases that have a process: up, starting, or finishing their scene."""
        return sorted(self._instances())

    def enabled(self) -> list[int]:
        """The releases that come up at boot."""
        text = read_file(self.at_boot) if os.path.exists(self.at_boot) else ""
        return sorted(int(line) for line in text.split() if line.isdigit())

    def log(self, number: int) -> str:
        """What a release wrote last and is telling, since its last start; no dates and names."""
        return of_last_start(read_end(self._log(number)))

    def log_since(self, number: int, since: float) -> str:
        """What a release wrote since a moment, in Unix seconds."""
        return written_since(read_end(self._log(number)), since)

    def _log(self, number: int) -> str:
        return f"{LOGS}/{self.app.name}-{number}.log"

    def green_room(self, number: int) -> str:
        """Where a release answers before visitors get to it: its socket."""
        return self.app.socket(number)

    def uninstall(self) -> None:
        """Take away all that it has of the app, of which nothing runs any more; logs stay."""
        for path in (*self._jobs, self.at_boot, os.path.join(self.app.etc, "launch")):
            remove(path)
        must_run("Having upstart read its jobs again", ["initctl", "reload-configuration"])

    def _instances(self) -> dict[int, Instance]:
        """The app's instances that upstart has; one that has ended it forgets."""
        return instances_of(self.app.name, must_run("Asking upstart", ["initctl", "list"]))


def instances_of(app_name: str, listed: str) -> dict[int, Instance]:
    """The releases of an app in a list of jobs, as ``initctl list`` shows them."""
    pattern = re.compile(
        rf"^{re.escape(app_name)} \((\d+)\) ([a-z]+)/([a-z-]+)(?:, (?:\S+ )?process (\d+))?",
        re.MULTILINE,
    )
    return {
        int(number): Instance(goal, state, int(process or 0))
        for number, goal, state, process in pattern.findall(listed)
    }
