# PRIVATE to the collection: settings that are right by themselves, and not beside another one.
from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import (
    OPEN_FILES,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._cron import cron_time
from ansible_collections.greenroom.django.plugins.plugin_utils._functional_tests import is_there
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    is_command,
    is_rev,
)


def problems_of_functional_tests(settings: Mapping[str, Any]) -> list[str]:
    """What would keep the user's tests from being run, after a deploy of staging."""
    command = str(settings.get("app_functional_tests") or "")
    if settings.get("release_action") == "functional_tests":
        if settings.get("app_environment") != "staging":
            return [
                "Functional tests write what they like, so they run on staging; this is live. Give "
                "the other inventory: -i inventories/staging"
            ]
        if not command:
            return ["app_functional_tests is empty; it should be the command that runs your tests."]
    if settings.get("app_environment") != "staging" or not command or not is_command(command):
        return []
    found = _problems_of_reach(settings, "app_functional_tests needs")
    if not is_there(command):
        found.append(
            f"app_functional_tests is {command!r}, and {shlex.split(command)[0]} is no program of "
            "this machine, where the tests run."
        )
    return found


def _problems_of_reach(settings: Mapping[str, Any], needs: str) -> list[str]:
    """Whether the controller can reach the repository; what ``needs`` to."""
    repository = str(settings.get("app_repository"))
    if settings.get("checkout_controller_repository") or not re.match("/|file:", repository):
        return []
    path = repository.removeprefix("file://")
    if settings.get("app_source_control") == "hg":
        path = f"/{path}"  # with one slash it would be seen from the home of who logs in
    return [
        f"app_repository is {repository!r}, a path on the host, and {needs} to reach it from this "
        f"machine: set checkout_controller_repository, such as ssh://you@host{path}."
    ]


def problems_of_addresses_for_hg(settings: Mapping[str, Any]) -> list[str]:
    """Addresses that only git knows: to Mercurial they would be paths."""
    if settings.get("app_source_control") != "hg":
        return []
    found = []
    for name in ("app_repository", "checkout_controller_repository"):
        short = re.fullmatch(r"([^/:]+@[^/:]+):(.+)", str(settings.get(name)))
        if short:
            where, path = short.groups()
            found.append(
                f"{name} is {str(settings[name])!r}, which is no address to Mercurial; it should "
                f"be ssh://{where}/{path}"
            )
    return found


def problems_of_merge(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the wish to merge a branch first, with -e merge=NAME."""
    if "merge" not in settings or not is_rev(settings["merge"]):
        return []
    branch, into = str(settings["merge"]), str(settings.get("app_branch"))
    found = []
    if settings.get("rev"):
        found.append(
            f"merge is {branch!r}, and rev is {str(settings['rev'])!r}; give one of them: what is "
            f"deployed is {into} with the branch in it."
        )
    if branch == into:
        found.append(
            f"merge is {branch!r}, which is the branch of this environment itself; it should be "
            "another one."
        )
    if (
        settings.get("app_environment") == "live"
        and settings.get("app_functional_tests")
        and settings.get("gate") != "open"
    ):
        found.append(
            f"merge is {branch!r}, and live takes only what has passed its functional tests on "
            "staging, which a new merge cannot have: merge it there, and then promote.yml. To "
            "merge it here all the same: -e gate=open"
        )
    return found + _problems_of_reach(settings, "merge needs")


def problems_of_cron(settings: Mapping[str, Any]) -> list[str]:
    """A time for the backups that a host without systemd cannot keep."""
    at = str(settings.get("app_backup_at") or "")
    if settings.get("app_service_manager") != "upstart" or not at or cron_time(at):
        return []
    return [
        f"app_backup_at is {at!r}, which cron does not know, and where upstart runs there are no "
        "timers of systemd; it should be hourly, daily, weekly, monthly, or such as *-*-* 03:30:00 "
        "or Mon..Fri 22:00"
    ]


def problems_of_mod_wsgi(settings: Mapping[str, Any]) -> list[str]:
    """Apache runs the releases itself, or it does not; and it has one Python."""
    server, manager = settings.get("app_web_server"), settings.get("app_service_manager")
    if server is None or manager is None:
        return []
    if server == "apache" and manager != "mod_wsgi":
        return [
            "app_web_server is 'apache', which runs releases by mod_wsgi, and app_service_manager "
            f"is {manager!r}; leave that out, or set app_web_server to apache_proxy."
        ]
    if manager == "mod_wsgi" and server != "apache":
        return [
            "app_service_manager is 'mod_wsgi', which is a part of Apache's, and app_web_server "
            f"is {server!r}; it should be apache."
        ]
    python = settings.get("app_python", "python3")
    if server == "apache" and python != "python3":
        return [
            f"app_python is {python!r}; with app_web_server apache it should be python3, since the "
            "mod_wsgi of the distribution has that one."
        ]
    files = settings.get("gunicorn_open_files", 0)
    if server == "apache" and int(files) > OPEN_FILES:
        return [
            f"gunicorn_open_files is {files}; with app_web_server apache it should be "
            f"{OPEN_FILES} at most, which is what Debian's Apache itself may have open."
        ]
    return []
