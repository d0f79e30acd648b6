# PRIVATE to the collection: what visitors ask for: the site's names and paths.
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    is_domain,
    is_inside,
    is_list,
)


def problems_of_domains(settings: Mapping[str, Any]) -> list[str]:
    """A web server knows each name once, and health checks ask for the first one."""
    domains = settings.get("app_domains")
    if not is_list(domains):
        return []
    if not domains:
        return ["app_domains is empty; it should have the site's names, the main one first."]
    names = [
        name
        for domain in domains
        if is_domain(domain)
        for name in re.sub(r"^(\.(.*))$", r"\2 *\1", str(domain).lower()).split()
    ]
    found = [
        f"app_domains has {name!r} twice; it should have each name once (.example.com is "
        "example.com and *.example.com)."
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if str(domains[0]).startswith("*"):
        found.append(
            f"app_domains begins with {str(domains[0])!r}, and the first is the one that health "
            "checks ask for; it should be a name that a visitor can type."
        )
    return found


def problems_of_user(settings: Mapping[str, Any]) -> list[str]:
    """A web server that works as the app or its build reads what no visitor may see."""
    app, user = settings.get("app_name"), settings.get("web_server_user")
    if app is None or user not in (app, f"{app}-build", f"{app}-push"):
        return []
    return [
        f"web_server_user is {user!r}, which is one of the app's own users; it should be the "
        "web server's, such as www-data."
    ]


def problems_of_media(settings: Mapping[str, Any]) -> list[str]:
    """Where uploads are on the disk, and for visitors."""
    media = settings.get("app_media_path")
    if not media or not is_inside(media):
        return []
    found = []
    if media not in settings.get("app_shared_paths", [media]):
        found.append(
            f"app_media_path is {media!r}; it should be one of app_shared_paths, or empty."
        )
    static, uploads = (str(settings.get(f"app_{name}_url", "")) for name in ("static", "media"))
    by_app = str(settings.get("web_server_serve_static", True)).lower() in {
        str(word) for word in BOOLEANS_FALSE
    }
    if static and uploads and (static == uploads or not by_app):
        inner, outer = sorted([static, uploads], key=len, reverse=True)
        if inner.startswith(outer):
            found.append(
                f"app_static_url is {static!r} and app_media_url is {uploads!r}, so that an upload "
                "could take the place of a static file; they should be beside each other, such as "
                "/static/ and /media/, as STATIC_URL and MEDIA_URL of the settings."
            )
    return found
