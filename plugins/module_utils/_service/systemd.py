# PRIVATE to the collection: one systemd template instance a release, APP@42.service.
from __future__ import annotations

import os
import re

from ansible_collections.greenroom.django.plugins.module_utils import _init_system
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import (
    meaningful_lines,
    must_run,
    run,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._service.base import ServiceManager

UNITS = "/etc/systemd/system"


class Systemd(ServiceManager):
    """Starts, stops and asks after the releases of one app."""

    def __init__(self, app: App) -> None:
        self.app = app

    @staticmethod
    def is_available() -> bool:
        """Whether this host runs it."""
        return _init_system.has_units()

    def is_prepared(self) -> bool:
        """Whether site.yml has prepared it for the app."""
        return os.path.exists(self._template)

    @property
    def _template(self) -> str:
        return f"{UNITS}/{self.app.name}@.service"

    def unit(self, number: int) -> str:
        """The name of the unit of release ``number``."""
        return f"{self.app.name}@{number}.service"

    def conflicting_files(self) -> list[str]:
        """The files of the system that those of an app of this name would take the place of."""
        names = (f"systemd/system/{self.app.name}@.service", f"tmpfiles.d/{self.app.name}.conf")
        paths = [os.path.join(top, name) for top in ("/etc", "/usr/lib") for name in names]
        return [path for path in paths if os.path.lexists(path)]

    def start(self, number: int) -> None:
        """Start a release, or leave it be when it runs.

        Raises GreenroomError when it does not come up.
        """
        run(["systemctl", "reset-failed", self.unit(number)])
        result = run(["systemctl", "start", self.unit(number)])
        if result.returncode != 0:
            raise GreenroomError(f"{self.unit(number)} did not start: {self.state(number)}.")

    def stop(self, number: int) -> None:
        """Ask a release to finish its scene and leave; this does not wait for it.

        The unit itself drains first (ExecStop=), so that nobody who runs ``systemctl stop`` by hand
        loses a request either.
        """
        must_run(
            f"Stopping {self.unit(number)}", ["systemctl", "stop", "--no-block", self.unit(number)]
        )

    def restart(self) -> None:
        """Have the releases that run start anew."""
        must_run(
            f"Restarting {self.app.name}",
            ["systemctl", "try-restart", f"{self.app.name}@*.service"],
        )

    def enable(self, number: int) -> None:
        """Have a release come up at boot."""
        # Without a reload, which costs a tenth of a second and would change nothing before a boot.
        must_run(
            f"Enabling {self.unit(number)}",
            ["systemctl", "--quiet", "--no-reload", "enable", self.unit(number)],
        )

    def disable(self, number: int) -> None:
        """Don't have a release come up at boot any more."""
        must_run(
            f"Disabling {self.unit(number)}",
            ["systemctl", "--quiet", "--no-reload", "disable", self.unit(number)],
        )

    def state(self, number: int) -> str:
        """What systemd says of a release, in its words: ``active``, ``failed (exit-code)``."""
        shown = run(
            ["systemctl", "show", "--property=ActiveState", "--property=Result", self.unit(number)]
        )
        return state_in_words(shown.stdout)

    def is_active(self, number: int) -> bool:
        """Whether a release is up (not: starting, stopping or failed)."""
        return run(["systemctl", "is-active", "--quiet", self.unit(number)]).returncode == 0

    def running(self) -> list[int]:
        """The releases that have a process: up, starting, or finishing their scene."""
        listed = run(
            [
                "systemctl",
                "list-units",
                "--all",
                "--plain",
                "--no-legend",
                "--type=service",
                "--state=active,activating,deactivating,reloading",
                f"{self.app.name}@*.service",
            ]
        )
        return numbers_of(self.app.name, listed.stdout)

    def enabled(self) -> list[int]:
        """The releases that come up at boot."""
        wanted = f"{UNITS}/multi-user.target.wants"
        names = os.listdir(wanted) if os.path.isdir(wanted) else []
        return numbers_of(self.app.name, "\n".join(names))

    def log(self, number: int) -> str:
        """What a release wrote last and is telling, since its last start; no dates and names."""
        unit = self.unit(number)
        start = run(["systemctl", "show", "--property=InvocationID", "--value", unit])
        started = start.stdout.strip()
        of_start = [f"_SYSTEMD_INVOCATION_ID={started}", "+", f"INVOCATION_ID={started}"]
        whose = of_start if started else [f"--unit={unit}"]
        shown = run(["journalctl", "--no-pager", "--output=cat", "--lines=300", *whose])
        return meaningful_lines(shown.stdout)

    def log_since(self, number: int, since: float) -> str:
        """What a release wrote since a moment, in Unix seconds."""
        return run(
            [
                "journalctl",
                "--no-pager",
                "--output=cat",
                f"--since=@{int(since)}",
                f"--unit={self.unit(number)}",
            ]
        ).stdout

    def green_room(self, number: int) -> str:
        """Where a release answers before visitors get to it: its socket."""
        return self.app.socket(number)

    def uninstall(self) -> None:
        """Take away all that it has of the app, of which nothing runs any more; logs stay."""
        for number in self.enabled():
            self.disable(number)
        remove(self._template)
        remove(f"/etc/tmpfiles.d/{self.app.name}.conf")
        must_run("Having systemd read its units again", ["systemctl", "daemon-reload"])


def state_in_words(shown: str) -> str:
    """What ``systemctl show`` says of ActiveState and Result, such as ``failed (exit-code)``."""
    words = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    result = words.get("Result", "success")
    return words.get("ActiveState", "unknown") + ("" if result == "success" else f" ({result})")


def numbers_of(app_name: str, names: str) -> list[int]:
    """The releases of an app in a list of units, a line each."""
    pattern = re.compile(rf"^{re.escape(app_name)}@(\d+)\.service", re.MULTILINE)
    return sorted(int(number) for number in pattern.findall(names))
