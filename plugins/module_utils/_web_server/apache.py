# PRIVATE to the collection: Apache as the web server, as a proxy or with mod_wsgi.
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import ModWsgi
from ansible_collections.greenroom.django.plugins.module_utils._web_server.base import WebServer

_OPEN_FILES = 8192  # that Apache, and so each of its processes, may have (apache2ctl)


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

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with settings that are right where Apache does not run the releases."""
        manager = settings.get("app_service_manager", "mod_wsgi")
        if manager != "mod_wsgi":
            return [
                "app_web_server is 'apache', which runs releases by mod_wsgi, and "
                f"app_service_manager is {manager!r}; leave that out, or set app_web_server to "
                "apache_proxy."
            ]
        python = settings.get("app_python", "python3")
        if python != "python3":
            return [
                f"app_python is {python!r}; with app_web_server apache it should be python3, since "
                "the mod_wsgi of the distribution has that one."
            ]
        files = settings.get("gunicorn_open_files", 0)
        if int(files) > _OPEN_FILES:
            return [
                f"gunicorn_open_files is {files}; with app_web_server apache it should be "
                f"{_OPEN_FILES} at most, which is what Debian's Apache itself may have open."
            ]
        return []

    def has_read_site(self, app: App) -> bool:
        """Whether it has processes for the app: a run can end before it reads the app's site."""
        return ModWsgi(app).has_processes()
