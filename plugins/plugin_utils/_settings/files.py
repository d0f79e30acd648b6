# PRIVATE to the collection: the settings that name files, in a release's tree and on this machine.
from __future__ import annotations

import ast
import os
import posixpath
import re
import warnings
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import BOOLEANS_TRUE
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    is_inside,
    is_list,
    is_python_file,
)

HOOKS = (
    "before_build",
    "after_build",
    "before_migrate",
    "after_migrate",
    "before_handover",
    "after_handover",
    "anonymise",
    "leave_balancer",
    "join_balancer",
)


def problems_of_shared_paths(settings: Mapping[str, Any]) -> list[str]:
    """What cannot outlive a release: the code, what Greenroom adds, and one path in another."""
    paths = settings.get("app_shared_paths", [])
    if not is_list(paths):
        return []
    names = [posixpath.normpath(str(path)) for path in paths if is_inside(path)]
    own = (
        ".greenroom",
        ".venv",
        posixpath.normpath(str(settings.get("app_manage", "manage.py"))),
        posixpath.normpath(str(settings.get("app_local_settings") or "manage.py")),
    )
    return [
        f"app_shared_paths has {name!r}, which is the release's own."
        for name in names
        if name.split("/")[0] in own or any(f"{path}/".startswith(f"{name}/") for path in own[2:])
    ] + [
        f"app_shared_paths has {name!r} twice, or within another of its paths."
        for index, name in enumerate(names)
        if any(f"{name}/".startswith(f"{other}/") for other in names[:index] + names[index + 1 :])
    ]


def problem_of_template(path: str, said: str) -> str:
    """Why the template of the local settings cannot be read, and where; ``said`` is Ansible's."""
    if not os.path.isfile(path):
        return (
            f"app_local_settings_template is {path!r}; it should be a file, by its whole path or "
            "as seen from the folder of the inventory."
        )
    quoted = re.findall(r"'(\w+)'", said)  # the name that is undefined, most often
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [
            number
            for number, line in enumerate(file, 1)
            if quoted and re.search(rf"\b{quoted[-1]}\b", line)
        ]
    where = f"{path}, line {lines[0]}" if lines else path
    return f"app_local_settings_template cannot be read: {said} ({where})"


def problems_of_local_settings(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with where they go, and with what was made of their template."""
    path = str(settings.get("app_local_settings") or "")
    if not is_python_file(path):
        return []
    found = []
    if str(settings.get("app_install_project")).lower() in {str(true) for true in BOOLEANS_TRUE}:
        found.append(
            f"app_local_settings is {path!r}, and app_install_project would install that file for "
            "all releases; give one of them."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(str(settings.get("app_local_settings_content", "")))
    except (SyntaxError, ValueError) as error:  # never with the line itself: it may be a secret
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        found.append(f"app_local_settings_template makes no Python: {what}{line} of {path}.")
    return found


def problems_of_hooks(hooks: Mapping[str, str], folder: str | None) -> list[str]:
    """``folder`` is that of the inventory; None where nothing is looked for on the disk."""
    return [
        f"app_hooks has {name!r}; the moments are {', '.join(HOOKS)}."
        for name in hooks
        if name not in HOOKS
    ] + [
        f"app_hooks.{name} is {path!r}; it should be a file with tasks, by its whole path or as "
        "seen from the folder of the inventory."
        for name, path in hooks.items()
        if folder is not None and not os.path.isfile(os.path.join(folder, str(path)))
    ]


def problems_of_writable_paths(settings: Mapping[str, Any]) -> list[str]:
    """The app's own releases and virtualenvs are root's; shared/ it can write to anyway."""
    home = f"/srv/{settings.get('app_name')}"
    paths = settings.get("gunicorn_writable_paths", [])
    return [
        f"gunicorn_writable_paths has {str(path)!r}, in {home}, where releases are; the app can "
        "write to what app_shared_paths names."
        for path in (paths if is_list(paths) else [])
        if f"{posixpath.normpath(str(path))}/".startswith(f"{home}/")
    ]
