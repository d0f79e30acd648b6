# PRIVATE to the collection: the service of an app that moves from one service manager to another.
from __future__ import annotations

import time

from ansible_collections.greenroom.django.plugins.module_utils._http import Address
from ansible_collections.greenroom.django.plugins.module_utils._service.base import (
    Service,
    ServiceManager,
)

STOP_TIMEOUT = 600  # seconds; every service manager gives up a release that does not end earlier


class Migrating:
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
        deadline = time.monotonic() + STOP_TIMEOUT
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

    def log_since(self, number: int, since: float) -> str:
        """What a release wrote since a moment, where it runs."""
        return self._whose(number).log_since(number, since)

    def green_room(self, number: int) -> str | Address:
        """Where a release answers, by whoever runs it."""
        return self._whose(number).green_room(number)
