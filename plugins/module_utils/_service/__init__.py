# PRIVATE to the collection: the register of service managers. Adding one is a file here, and a line
# in the register: see docs/adding-a-backend.md.
from __future__ import annotations

import time
from typing import Protocol

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._http import Address
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import ModWsgi
from ansible_collections.greenroom.django.plugins.module_utils._service.supervisor import Supervisor
from ansible_collections.greenroom.django.plugins.module_utils._service.systemd import Systemd
from ansible_collections.greenroom.django.plugins.module_utils._service.upstart import Upstart

ENDING = 600  # seconds; each of them gives up a release that does not end earlier


class Service(Protocol):
    """What starts, stops and asks after the releases of one app.

    All but is_prepared() may raise GreenroomError.
    """

    def is_prepared(self) -> bool:
        """Whether site.yml has prepared it for the app."""

    def start(self, number: int) -> None:
        """Start a release, or leave it be when it runs; it listens on its socket then.

        Raises GreenroomError when it does not come up.
        """

    def stop(self, number: int) -> None:
        """Ask a release to finish its scene and leave; this does not wait for it.

        It goes on accepting for ``gunicorn_drain`` seconds, whoever stops it, and by what command.
        """

    def restart(self) -> None:
        """Have the releases that run start anew, as for what they read at their start."""

    def enable(self, number: int) -> None:
        """Have a release come up at boot."""

    def disable(self, number: int) -> None:
        """Don't have a release come up at boot any more."""

    def state(self, number: int) -> str:
        """What it says of a release, in its words: ``active``, ``failed (exit-code)``."""

    def is_active(self, number: int) -> bool:
        """Whether a release is up (not: stopping or failed)."""

    def running(self) -> list[int]:
        """The releases that have a process: up, starting, or finishing their scene."""

    def enabled(self) -> list[int]:
        """The releases that come up at boot."""

    def log(self, number: int) -> str:
        """What a release wrote last and is telling, since its last start; no dates and names."""

    def wrote(self, number: int, since: float) -> str:
        """What a release wrote since a moment, in Unix seconds."""

    def green_room(self, number: int) -> str | Address:
        """Where a release answers before visitors get to it; it was started."""


class ServiceManager(Service, Protocol):
    """A service that is of one kind: what each file beside this one has."""

    def __init__(self, app: App) -> None: ...

    @staticmethod
    def is_here() -> bool:
        """Whether it can be used on this host."""

    def hides(self) -> list[str]:
        """The files of the system that those of an app of this name would take the place of."""

    def forget(self) -> None:
        """Take away all that it has of the app, of which nothing runs any more."""


# Spelled out, since a module takes only what it imports by name along to the host.
MANAGERS: dict[str, type[ServiceManager]] = {
    "systemd": Systemd,
    "supervisor": Supervisor,
    "upstart": Upstart,
    "mod_wsgi": ModWsgi,
}


def service_of(app: App, manager: str) -> Service:
    """The service manager called ``manager``, for the releases of ``app``.

    Where the app was under another one before, that is asked too: nothing may run twice.
    Raises GreenroomError where there is none of that name.
    """
    chosen = _registry.get(MANAGERS, "service_manager", manager)(app)
    before = before_of(app, manager)
    return Moving(chosen, before) if before else chosen


def before_of(app: App, manager: str) -> list[ServiceManager]:
    """The other service managers that this host still has prepared for ``app``."""
    others = [other for name, other in MANAGERS.items() if name != manager and other.is_here()]
    return [other(app) for other in others if other(app).is_prepared()]


def leave_before(app: App, manager: str, serving: int) -> None:
    """Have the service managers that the app was under before forget it.

    Only once in the life of a host is there any, so what runs under it may finish meanwhile. What
    does not end is left to the next deploy; and so is the release that serves, where it runs there.
    """
    for other in before_of(app, manager):
        if serving in other.running():
            continue
        deadline = time.monotonic() + ENDING
        while other.running() and time.monotonic() < deadline:
            time.sleep(0.1)
        if not other.running():
            other.forget()


class Moving:
    """A service on a host that moves from one service manager to another.

    What the one before still runs and has enabled is stopped and disabled there; all that starts
    is under the chosen one.
    """

    def __init__(self, chosen: Service, before: list[ServiceManager]) -> None:
        self.chosen = chosen
        self.before = before

    def _whose(self, number: int) -> Service:
        """Who has a process of a release; the chosen one where nobody has."""
        return next((each for each in self.before if number in each.running()), self.chosen)

    def is_prepared(self) -> bool:
        """Whether site.yml has prepared the chosen one for the app."""
        return self.chosen.is_prepared()

    def start(self, number: int) -> None:
        """Start a release, where the one before does not run it; what is leaving there ends first.

        Raises GreenroomError when it does not come up.
        """
        deadline = time.monotonic() + ENDING
        while (whose := self._whose(number)) is not self.chosen:
            if whose.is_active(number):
                return
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        self.chosen.start(number)

    def stop(self, number: int) -> None:
        """Ask a release to finish its scene, whoever runs it."""
        self._whose(number).stop(number)

    def restart(self) -> None:
        """Have what runs start anew, each where it runs."""
        for each in (self.chosen, *self.before):
            each.restart()

    def enable(self, number: int) -> None:
        """Have a release come up at boot, where it runs now, and nowhere else."""
        whose = self._whose(number)
        whose.enable(number)
        for each in (self.chosen, *self.before):
            if each is not whose and number in each.enabled():
                each.disable(number)

    def disable(self, number: int) -> None:
        """Have nobody bring a release up at boot."""
        for each in (self.chosen, *self.before):
            if each is self.chosen or number in each.enabled():
                each.disable(number)

    def state(self, number: int) -> str:
        """What is said of a release by whoever runs it."""
        return self._whose(number).state(number)

    def is_active(self, number: int) -> bool:
        """Whether a release is up where it should be: one under the manager before has to move."""
        return self.chosen.is_active(number)

    def running(self) -> list[int]:
        """The releases that have a process, anywhere."""
        return sorted({n for each in (self.chosen, *self.before) for n in each.running()})

    def enabled(self) -> list[int]:
        """The releases that come up at boot, under any."""
        return sorted({n for each in (self.chosen, *self.before) for n in each.enabled()})

    def log(self, number: int) -> str:
        """What a release wrote last, where it runs."""
        return self._whose(number).log(number)

    def wrote(self, number: int, since: float) -> str:
        """What a release wrote since a moment, where it runs."""
        return self._whose(number).wrote(number, since)

    def green_room(self, number: int) -> str | Address:
        """Where a release answers, by whoever runs it."""
        return self._whose(number).green_room(number)
