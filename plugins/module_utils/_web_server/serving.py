# PRIVATE to the collection: moves an app to the chosen web server.
from __future__ import annotations

import os
import time

from ansible_collections.greenroom.django.plugins.module_utils import _host_services, _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App, replace_link
from ansible_collections.greenroom.django.plugins.module_utils._command import tail
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._ports import wait_for, who_listens
from ansible_collections.greenroom.django.plugins.module_utils._web_server import (
    WEB_SERVERS,
    rivals_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._web_server.base import WebServer

FINISH_TIMEOUT = 60  # seconds that a web server may take for the requests that it has
_FINISH_INTERVAL = 0.05  # seconds between two looks


def serve(app: App, name: str, port: int, check_mode: bool = False) -> tuple[bool, float]:
    """Serve the app by the web server called ``name``, now and at boot, and by no other one.

    Returns whether anything changed, and for how many seconds nobody listened. Raises
    GreenroomError, with the previous web server serving again, when the chosen one does not start.
    """
    chosen = _registry.get(WEB_SERVERS, "web_server", name)
    previous = [rival for rival in rivals_of(chosen) if rival.has(app)]
    is_enabled = chosen.is_enabled()
    is_up = chosen.is_active() and chosen.service in who_listens(port)
    is_right = is_up and is_enabled and chosen.has_read_site(app) and not previous
    if check_mode or is_right:
        return not is_right, 0.0
    began = time.monotonic()
    for rival in previous:
        disable_site(app, rival, port)
    try:
        wait_for(port, lambda names: not names & {rival.service for rival in previous})
        start(chosen, port)
    except GreenroomError:
        for rival in previous:
            restore_site(app, chosen, rival, port)
        raise
    gap = time.monotonic() - began if previous else 0.0
    if _host_services.control(chosen.service, "enable").returncode:
        raise GreenroomError(f"{chosen.service} cannot be enabled, and would not come up at boot.")
    for rival in previous:
        uninstall(app, rival, port)
    return True, gap


def disable_site(app: App, rival: WebServer, port: int) -> None:
    """Disable the app's site on a web server, which finishes the requests that it has."""
    remove(rival.site.format(app.name))
    if not rival.is_needed(app, port):
        _host_services.finish(rival.service, rival.finish_signal)
        return
    if os.path.lexists(rival.shared) and not rival.has_other_apps(app):
        os.replace(rival.shared, f"{rival.shared}.left")  # it listens on the port
    _host_services.control(rival.service, "reload")


def restore_site(app: App, chosen: WebServer, rival: WebServer, port: int) -> None:
    """Serve the app by the previous web server again: the chosen one did not take the port."""
    remove(chosen.site.format(app.name))
    if not chosen.has_other_apps(app):
        remove(chosen.shared)
    if not chosen.is_needed(app, port):
        _host_services.control(chosen.service, "stop")
        # Or it would take the port at the next boot.
        _host_services.control(chosen.service, "disable")
    elif chosen.is_enabled():
        # It may have ended, where it could not listen.
        _host_services.control(chosen.service, "reload-or-restart")
    replace_link(rival.site.format(app.name), rival.available_site.format(app.name))
    if os.path.lexists(f"{rival.shared}.left"):
        os.replace(f"{rival.shared}.left", rival.shared)
    # One that is about to end ignores a reload.
    verb = "reload-or-restart" if rival.is_needed(app, port) else "restart"
    _host_services.control(rival.service, verb)


def start(chosen: WebServer, port: int) -> None:
    """Start a web server, or reload one that runs, so that it listens on the port.

    Raises GreenroomError.
    """
    began, verb = int(time.time()), "reload" if chosen.is_active() else "start"
    done = _host_services.control(chosen.service, verb)
    if done.returncode:
        why = _host_services.log_since(chosen.service, began) or done.stdout + done.stderr
        raise GreenroomError(f"{chosen.service} did not {verb}:\n{tail(why)}")
    wait_for(port, lambda names: chosen.service in names)


def uninstall(app: App, rival: WebServer, port: int) -> None:
    """Remove the app's files from a web server, and disable one that has no site any more."""
    if not rival.is_needed(app, port):
        deadline = time.monotonic() + FINISH_TIMEOUT
        while rival.is_active() and time.monotonic() < deadline:
            time.sleep(_FINISH_INTERVAL)
        _host_services.stop(rival.service)
    if not rival.has_other_apps(app):
        for path in (rival.shared, f"{rival.shared}.left", rival.available_shared):
            remove(path)
    remove(rival.available_site.format(app.name))
