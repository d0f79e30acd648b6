# PRIVATE to the collection: the registry of web servers. Adding one is a file here and a line
# below: see docs/adding-a-backend.md.
from __future__ import annotations

from ansible_collections.greenroom.django.plugins.module_utils._web_server.apache import (
    Apache,
    ApacheProxy,
)
from ansible_collections.greenroom.django.plugins.module_utils._web_server.base import WebServer
from ansible_collections.greenroom.django.plugins.module_utils._web_server.nginx import Nginx

WEB_SERVERS: dict[str, WebServer] = {
    "nginx": Nginx(),
    "apache_proxy": ApacheProxy(),
    "apache": Apache(),
}


def rivals_of(chosen: WebServer) -> list[WebServer]:
    """The web servers whose service is another one, each service once."""
    rivals = {each.service: each for each in WEB_SERVERS.values()}
    return [rival for service, rival in rivals.items() if service != chosen.service]


def names_of(server: WebServer) -> list[str]:
    """The names that a web server's service has in the registry."""
    return [name for name, each in WEB_SERVERS.items() if each.service == server.service]
