# PRIVATE to the collection: Apache as the web server, as a proxy or with mod_wsgi.
from __future__ import annotations

import re

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import ModWsgi
from ansible_collections.greenroom.django.plugins.module_utils._web_server.base import WebServer


class ApacheProxy(WebServer):
    """Apache, in front of the app's socket."""

    service = "apache2"
    finish_signal = "WINCH"
    site_files = ("/etc/apache2/sites-enabled/*.conf", "/etc/apache2/conf-enabled/*.conf")
    # Apache reads sites in the order of their names, and requests for a name that no site has go to
    # the first one: that should not be an app's.
    site = "/etc/apache2/sites-enabled/zz-{}.conf"
    available_site = "/etc/apache2/sites-available/zz-{}.conf"
    shared = "/etc/apache2/sites-enabled/zz-0-greenroom.conf"
    available_shared = "/etc/apache2/sites-available/zz-0-greenroom.conf"
    signature = "/greenroom-503"
    site_pattern = re.compile(r"^\s*(<VirtualHost|Listen)\s", re.MULTILINE | re.IGNORECASE)
    ports_file = "/etc/apache2/ports.conf"

    def ports(self, text: str) -> set[int]:
        """The ports of a text's Listen lines."""
        addresses = re.findall(r"^\s*Listen\s+\"?([^\s\"]+)", text, re.MULTILINE | re.IGNORECASE)
        return {int(address.rpartition(":")[2]) for address in addresses}

    def check_shared_port(self, app: App, port: int) -> None:
        """Refuse a port of its own for an app: the sites of all apps share one file.

        Raises GreenroomError.
        """
        ours = [text for text in self.other_sites(app).values() if self.signature in text]
        on = {int(found) for text in ours for found in re.findall(r"<VirtualHost \*:(\d+)>", text)}
        if on - {port}:
            other = ", ".join(map(str, sorted(on - {port})))
            raise GreenroomError(
                f"app_port is {port}, and other apps of this host are on port {other} of "
                f"{self.service}, which all of them share; it should be {other}."
            )


class Apache(ApacheProxy):
    """Apache with mod_wsgi, which runs the releases itself."""

    def has_read_site(self, app: App) -> bool:
        """Whether it has processes for the app: a run can end before it reads the app's site."""
        return ModWsgi(app).has_processes()
