# PRIVATE to the collection: whether a port can be the web server's, before anything is changed.
from __future__ import annotations

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._ports import who_listens
from ansible_collections.greenroom.django.plugins.module_utils._web_server import (
    WEB_SERVERS,
    names_of,
    rivals_of,
)


def check_port(app: App, name: str, port: int) -> None:
    """Refuse a port that the web server called ``name`` could not have.

    The app's own site on another web server is no reason: it moves. Raises GreenroomError.
    """
    chosen = _registry.get(WEB_SERVERS, "app_web_server", name)
    for server in WEB_SERVERS.values():
        if path := server.foreign_site(app):
            raise GreenroomError(
                f"{path} is where the site of {app.name} is to be, and is not Greenroom's. Move it "
                "away, or choose another app_name."
            )
    chosen.check_shared_port(app, port)
    listening = who_listens(port) - {chosen.service}
    for rival in rivals_of(chosen):
        has_port = rival.service in listening
        listening -= {rival.service}
        is_in_use = rival.is_enabled() or rival.is_active()
        sites = rival.other_sites_on(app, port) if is_in_use else []
        if sites or (has_port and not rival.has(app)):
            with_sites = f" with {', '.join(sites)}" if sites else ""
            raise GreenroomError(
                f"app_web_server is {name}, and port {port} (app_port) of this host is that of "
                f"{rival.service}{with_sites}. One of them can have it: set app_web_server to "
                f"{' or '.join(names_of(rival))}, or choose another app_port, or take those sites "
                f"away (where {rival.service} has none left: systemctl disable --now "
                f"{rival.service})."
            )
    if listening:
        raise GreenroomError(
            f"Port {port} (app_port) of this host is that of another program "
            f"({', '.join(sorted(listening))}), and {chosen.service} could not listen on it. "
            "Choose another app_port, or stop that program."
        )
