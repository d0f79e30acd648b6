# PRIVATE to the collection: nginx as the web server.
from __future__ import annotations

import re

from ansible_collections.greenroom.django.plugins.module_utils._web_server.base import WebServer


class Nginx(WebServer):
    """nginx, in front of the app's socket."""

    service = "nginx"
    finish_signal = "QUIT"
    site_files = ("/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*.conf")
    site = "/etc/nginx/sites-enabled/{}.conf"
    available_site = "/etc/nginx/sites-available/{}.conf"
    shared = "/etc/nginx/conf.d/greenroom.conf"
    available_shared = "/etc/nginx/conf.d/greenroom.conf"
    signature = "$greenroom_"
    site_pattern = re.compile(r"^\s*server\s*\{", re.MULTILINE)

    def ports(self, text: str) -> set[int]:
        """The ports of a text's addresses: port 80, where an address has none."""
        addresses = re.findall(r"^\s*listen\s+([^;\s]+)", text, re.MULTILINE)
        found = [re.fullmatch(r"(?:.*:)?(\d+)", address) for address in addresses]
        return {int(match[1]) if match else 80 for match in found} or {80}
