# PRIVATE to the collection: the register of service managers. Adding one is a file here, a line
# below, and a word in the choices of app_service_manager.
from __future__ import annotations

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._service.systemd import Systemd

# Spelled out, since a module takes only what it imports by name along to the host.
MANAGERS = {
    "systemd": Systemd,
}


def service_of(app: App, manager: str) -> Systemd:
    """The service manager called ``manager``, for the releases of ``app``."""
    return MANAGERS[manager](app)
