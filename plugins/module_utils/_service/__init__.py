# PRIVATE to the collection: the registry of service managers. Adding one is a file here and a line
# below: see docs/adding-a-backend.md.
from __future__ import annotations

import time

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._service.base import (
    Service,
    ServiceManager,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.migrating import (
    STOP_TIMEOUT,
    Migrating,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import ModWsgi
from ansible_collections.greenroom.django.plugins.module_utils._service.supervisor import Supervisor
from ansible_collections.greenroom.django.plugins.module_utils._service.systemd import Systemd
from ansible_collections.greenroom.django.plugins.module_utils._service.upstart import Upstart

__all__ = ["MANAGERS", "Service", "previous_managers", "retire_previous", "service_of"]

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
    before = previous_managers(app, manager)
    return Migrating(chosen, before) if before else chosen


def previous_managers(app: App, manager: str) -> list[ServiceManager]:
    """The other service managers that this host still has prepared for ``app``."""
    others = [other for name, other in MANAGERS.items() if name != manager and other.is_available()]
    return [other(app) for other in others if other(app).is_prepared()]


def retire_previous(app: App, manager: str, serving: int) -> None:
    """Have the service managers that the app was under before forget it.

    Only once in the life of a host is there any, so what runs under it may finish meanwhile. What
    does not end is left to the next deploy; and so is the release that serves, where it runs there.
    """
    for other in previous_managers(app, manager):
        if serving in other.running():
            continue
        deadline = time.monotonic() + STOP_TIMEOUT
        while other.running() and time.monotonic() < deadline:
            time.sleep(0.1)
        if not other.running():
            other.uninstall()
