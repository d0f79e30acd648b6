# PRIVATE to the collection: what every web server answers; each has a file beside this one.
from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils import _host_services
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._ports import ports_of


class WebServer:
    """A web server as Debian packages it. ``{}`` in a path is the name of an app."""

    #: its service on the host; its processes have the same name
    service: str
    #: the signal at which it closes its ports, and ends when it has answered all requests
    finish_signal: str
    #: patterns of the files that it reads sites from
    site_files: tuple[str, ...]
    #: the app's site, enabled, and the file that this is a link to
    site: str
    available_site: str
    #: what all sites of Greenroom share, enabled, and the file that this is a link to, or itself
    shared: str
    available_shared: str
    #: a text that every site of Greenroom has
    signature: str
    #: what every file with a site has
    site_pattern: re.Pattern[str]
    #: the one file that has its ports, whatever its sites are; empty where each site has its own
    ports_file: str = ""

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:  # noqa: ARG004 - of some alone
        """What is wrong with settings that are right with another web server."""
        return []

    def ports(self, text: str) -> set[int]:
        """The ports that a text of its configuration has it listen on."""
        raise NotImplementedError

    def has_read_site(self, app: App) -> bool:  # noqa: ARG002 - it is the same for all apps
        """Whether it has read the app's site, where a web server that is up may not have."""
        return True

    def check_shared_port(self, app: App, port: int) -> None:
        """Refuse a port that the other apps on it stand in the way of. Raises GreenroomError."""

    def has(self, app: App) -> bool:
        """Whether it serves the app, or has files of it."""
        return self.signature in text_of(self.available_site.format(app.name))

    def foreign_site(self, app: App) -> str:
        """The file of somebody else at the path of the app's site; empty where there is none."""
        paths = (self.available_site.format(app.name), self.site.format(app.name))
        there = [path for path in paths if os.path.lexists(path)]
        return next((path for path in there if self.signature not in text_of(path)), "")

    def is_active(self) -> bool:
        """Whether it is up."""
        return _host_services.is_active(self.service)

    def is_enabled(self) -> bool:
        """Whether it comes up at boot."""
        return _host_services.is_enabled(self.service)

    def other_sites(self, app: App) -> dict[str, str]:
        """The sites that are not the app's: path and text of each."""
        own = (self.site.format(app.name), self.shared)
        paths = sorted(path for pattern in self.site_files for path in glob.glob(pattern))
        texts = {path: text_of(path) for path in paths if path not in own}
        return {path: text for path, text in texts.items() if self.site_pattern.search(text)}

    def other_sites_on(self, app: App, port: int) -> list[str]:
        """The paths of other sites that would keep it listening on ``port``."""
        others = self.other_sites(app)
        if self.ports_file and port in self.ports(text_of(self.ports_file)):
            return list(others)
        return [path for path, text in others.items() if port in self.ports(text)]

    def has_other_apps(self, app: App) -> bool:
        """Whether it has a site of another app of Greenroom's."""
        return any(self.signature in text for text in self.other_sites(app).values())

    def is_needed(self, app: App, port: int) -> bool:
        """Whether it has anything to do beside the app, also by files that are not looked at.

        The ports of one with a file for them show nothing: they are the same without any site.
        """
        elsewhere = set() if self.ports_file else ports_of(self.service) - {port}
        return bool(self.other_sites(app) or elsewhere)


def text_of(path: str) -> str:
    """The text of a file; empty where there is none."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""
