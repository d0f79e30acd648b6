# PRIVATE to the collection: settings that are right by themselves, and not beside another one.
from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._backends import BACKENDS
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES
from ansible_collections.greenroom.django.plugins.plugin_utils._functional_tests import is_there
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    is_command,
    is_rev,
    is_yes,
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
    if kind := SOURCES.get(str(settings.get("app_source_control"))):
        path = kind.path_in_address(path)
    return [
        f"app_repository is {repository!r}, a path on the host, and {needs} to reach it from this "
        f"machine: set checkout_controller_repository, such as ssh://you@host{path}."
    ]


def problems_of_backends(settings: Mapping[str, Any]) -> list[str]:
    """What the chosen backends find wrong with the settings."""
    found = []
    for question, registry in BACKENDS.items():
        if backend := registry.get(str(settings.get(f"app_{question}"))):
            found += backend.settings_problems(settings)
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
        and not is_yes(settings.get("allow_untested"))
    ):
        found.append(
            f"merge is {branch!r}, and live takes only what has passed its functional tests on "
            "staging, which a new merge cannot have: merge it there, and then promote.yml. To "
            "merge it here all the same: -e allow_untested=true"
        )
    return found + _problems_of_reach(settings, "merge needs")
