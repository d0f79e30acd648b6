#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: manage
short_description: Collect static files, check, and see which migrations wait, in one Django start
description:
  - Does for a release what C(manage.py collectstatic), C(check --deploy) and C(showmigrations) do,
    as the app's user and with the environment that the service will have, in one process.
  - Migrations that wait are for M(greenroom.django.migrations) to apply. Mostly there are none.
  - Refuses a database that is ahead of the release, which is one that had migrations applied whose
    files the release does not have.
  - Where some wait, the steps that come after V(migrate) are left, for a second call to do.
  - A second call for the same release does only the steps that are still to be done.
  - Refuses a SQLite database inside the release's tree or virtualenv, since it would not outlive
    the release; a C(STATIC_ROOT) that holds anything but static files, since it becomes public;
    and a C(STATIC_URL) below which the web server serves nothing.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  app:
    description: The name of the app.
    type: str
    required: true
  release:
    description: The number of the release. It must have its virtualenv.
    type: int
    required: true
  steps:
    description: What to do, in this order. V(migrate) only looks which migrations wait.
    type: list
    elements: str
    choices: [collectstatic, check, migrate]
    default: [collectstatic, check, migrate]
  databases:
    description: The databases to look at, by their names in the settings.
    type: list
    elements: str
    default: [default]
  database:
    description: What was made for the app. With V(postgresql), settings that use none are refused.
    type: str
    choices: [sqlite, postgresql]
    default: sqlite
  hosts:
    description: How many hosts the app has. With more than one, a database of each is refused.
    type: int
    default: 1
  may_be_ahead:
    description: Don't refuse a database that is ahead of the release.
    type: bool
    default: false
  may_debug:
    description: Don't refuse settings in which C(DEBUG) is on; warn of it.
    type: bool
    default: true
  static_url:
    description: The path under which the web server serves the static files.
    type: str
    default: /static/
  timeout:
    description: How long all steps together may take, in seconds.
    type: int
    default: 1800
attributes:
  check_mode:
    support: partial
    description: In check mode it says that it would run, without looking at what there is to do.
  diff_mode:
    support: none
    description: The steps have no before and after that would fit in a diff.
"""

EXAMPLES = r"""
- name: Collect, check, and see which migrations of release 43 wait
  greenroom.django.manage:
    app: blog
    release: 43
    databases: [default, archive]
"""

RETURN = r"""
waiting:
  description: For each database, the migrations that wait, in their order.
  returned: when the migrate step ran
  type: dict
left:
  description: The steps that are for a second call, once the migrations that wait are applied.
  returned: when a step ran
  type: list
  elements: str
collected:
  description: What collectstatic said; null where the app has nothing to collect.
  returned: when the collectstatic step ran
  type: str
warnings_of_check:
  description: The warnings of C(manage.py check --deploy). They are shown as warnings, too.
  returned: when a step ran
  type: list
  elements: str
django:
  description: The version of Django.
  returned: when a step ran
  type: str
wsgi:
  description: The WSGI callable that gunicorn will run.
  returned: when a step ran
  type: str
"""

import os
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    manifest_path,
    read_manifest,
    start_django,
)
from ansible_collections.greenroom.django.plugins.module_utils._environment import without_secrets
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import (
    give,
    is_inside,
    remove,
    walk,
    write_json,
)
from ansible_collections.greenroom.django.plugins.module_utils._local_settings import named_values
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module

STEPS = ["collectstatic", "check", "migrate"]
OPTIONS = {
    "app": {"type": "str", "required": True},
    "release": {"type": "int", "required": True},
    "steps": {"type": "list", "elements": "str", "choices": STEPS, "default": STEPS},
    "databases": {"type": "list", "elements": "str", "default": ["default"]},
    "database": {"type": "str", "choices": ["sqlite", "postgresql"], "default": "sqlite"},
    "hosts": {"type": "int", "default": 1},
    "may_be_ahead": {"type": "bool", "default": False},
    "may_debug": {"type": "bool", "default": True},
    "static_url": {"type": "str", "default": "/static/"},
    "timeout": {"type": "int", "default": 1800},
}


def refuse_links(app: App, public: str) -> None:
    """Refuse a way to ``public`` that leads elsewhere: builds could put links, and root writes."""
    inner = os.path.relpath(public, app.releases)
    if os.path.realpath(public) != os.path.join(os.path.realpath(app.releases), inner):
        raise GreenroomError(f"{public} was replaced by a link, and is not followed.")


def publish(app: App, number: int, static_root: str | None, public: str) -> None:
    """Make what was collected the app's STATIC_ROOT: all can read it, and the app not write it."""
    refuse_links(app, public)
    give(public, app.builder)
    for path in [public, *walk(public)]:
        if not os.path.islink(path):
            os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)
    if static_root is None or os.path.realpath(static_root) == os.path.realpath(public):
        return
    # This runs as root, while the app decides where the links in what outlives releases lead.
    parent, name = os.path.split(static_root)
    place, tree = os.path.join(os.path.realpath(parent), name), app.release(number)
    homes = [os.path.realpath(path) for path in (tree, os.path.join(tree, ".venv"))]
    if is_inside(public, place) or not any(is_inside(place, home) for home in homes):
        raise GreenroomError(
            f"STATIC_ROOT is {static_root}. Each release needs a folder of its own for static "
            f"files, and for nothing else, inside its tree {tree}: "
            'such as BASE_DIR / "staticfiles".'
        )
    remove(place)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    os.symlink(os.path.relpath(os.path.realpath(public), os.path.dirname(place)), place)


def manage(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do the steps that a release still needs; the result of the module. Raises GreenroomError."""
    app, number = App(params["app"]), params["release"]
    if check_mode and not os.path.exists(manifest_path(app, number)):
        return {"changed": True, "msg": f"Would do {', '.join(params['steps'])}."}
    manifest = read_manifest(app, number)
    done = manifest.get("done", [])
    steps = [step for step in params["steps"] if step not in done]
    if not steps or check_mode:
        return {"changed": bool(steps)}
    public = os.path.join(
        app.backstage(number), "public", *params["static_url"].strip("/").split("/")
    )
    if "collectstatic" in steps:
        refuse_links(app, public)
        os.makedirs(public, exist_ok=True)
        give(public, app.user)
    request = {
        "steps": steps,
        "databases": params["databases"],
        "database": params["database"],
        "hosts": params["hosts"],
        "may_be_ahead": params["may_be_ahead"],
        "may_debug": params["may_debug"],
        "tree": app.release(number),
        "static_root": public,
        "static_url": params["static_url"],
        "wsgi": manifest["wsgi"],
        "local_settings": manifest.get("local_settings", ""),
    }
    try:
        collected = [public] if "collectstatic" in steps else []
        found = start_django(app, number, manifest, request, params["timeout"], writable=collected)
    finally:
        if "collectstatic" in steps:
            give(public, app.builder)  # it was the app's to write for that moment alone
    if "collected" in found:
        publish(
            app, number, found["static_root"] if found["collected"] is not None else None, public
        )
    manifest.update(wsgi=found["wsgi"], done=done + found["done"])
    if "migrations" in found:  # for the day when another release has to tell what it has more
        manifest.update(migrations=found["migrations"], ahead=found["ahead"])
    write_json(manifest_path(app, number), manifest)
    result = {key: found[key] for key in ("waiting", "collected", "django", "wsgi") if key in found}
    result["left"] = [step for step in steps if step not in found["done"]]
    secrets = named_values(app, number) if found.get("warnings") else {}
    result["warnings_of_check"] = [
        without_secrets(warning, secrets) for warning in found.get("warnings", [])
    ]
    return {**result, "warnings": warnings(found, result["warnings_of_check"]), "changed": True}


def warnings(found: dict[str, Any], of_check: list[str]) -> list[str]:
    """What the user should know, of what the Django start has found."""
    said = [f"manage.py check --deploy: {warning}" for warning in of_check]
    if "collected" in found and found.get("static_app") and not found["static_root"]:
        said.append(
            "The settings have no STATIC_ROOT, so no static files were collected, those of the "
            'admin neither. For them to be served, add: STATIC_ROOT = BASE_DIR / "staticfiles"'
        )
    if found.get("unread"):
        said.append(
            f"app_local_settings is {found['unread']}, which was made, and the settings do not "
            "import it: from .local_settings import *"
        )
    if found.get("debug"):
        said.append(
            "DEBUG is on in the settings: whoever causes an error is shown the code and its "
            "variables. On live, a deploy refuses that."
        )
    return said


def main() -> None:
    """What Ansible runs."""
    run_module(OPTIONS, manage)


if __name__ == "__main__":
    main()
