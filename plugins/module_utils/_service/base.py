# PRIVATE to the collection: what every service manager answers; each has a file beside this one.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ansible_collections.greenroom.django.plugins.module_utils import _init_system
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._http import Address


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

    def log_since(self, number: int, since: float) -> str:
        """What a release wrote since a moment, in Unix seconds."""

    def green_room(self, number: int) -> str | Address:
        """Where a release answers before visitors get to it; it was started."""


class ServiceManager(Service, Protocol):
    """What each file beside this one has: the service of one kind."""

    def __init__(self, app: App) -> None: ...

    #: what runs at times of the day where it is: an answer of roles/backup's question `timer`
    timer: str = _init_system.TIMER
    #: whether the web server itself runs the releases, and not this beside it
    runs_in_web_server: bool = False

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:  # noqa: ARG004 - of some alone
        """What is wrong with settings that are right with another service manager."""
        return []

    @staticmethod
    def is_available() -> bool:
        """Whether it can be used on this host."""

    def conflicting_files(self) -> list[str]:
        """The files of the system that those of an app of this name would take the place of."""

    def uninstall(self) -> None:
        """Take away all that it has of the app, of which nothing runs any more."""
