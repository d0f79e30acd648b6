#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: django_prepare
short_description: Collect static files, check, and see which migrations wait, in one Django start
description:
  - Does for a release what C(manage.py collectstatic), C(check --deploy) and C(showmigrations) do,
    as the app's user and with the environment that the service will have, in one process.
  - Migrations that wait are for M(greenroom.django.migrate) to apply. Mostly there are none.
  - Refuses a database that is ahead of the release, which is one that had migrations applied whose
    files the release does not have.
  - Where some wait, the steps that come after V(migrate) are left, for a second call to do.
  - Each step has the C(sys.argv) that C(manage.py) would have. Where the settings or an app look at
    it, each step has a Django start of its own.
  - A second call for the same release does only the steps that are still to be done.
  - Refuses a SQLite database inside the release's tree or virtualenv, since it would not outlive
    the release; a C(STATIC_ROOT) that holds anything but static files, since it becomes public;
    and a C(STATIC_URL) below which the web server serves nothing.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.databases
options:
  release:
    description: The number of the release. It must have its virtualenv.
    type: int
    required: true
  steps:
    description:
      - What to do, in this order. V(migrate) only looks which migrations wait. Where none does, it
        records a squashed migration whose replaced ones are applied.
    type: list
    elements: str
    choices: [collectstatic, check, migrate]
    default: [collectstatic, check, migrate]
  database:
    description: What was made for the app, as in C(app_database). Settings that use another one are
      refused, unless it is a file.
    type: str
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
  seal:
    description:
      - Seal the release before the steps. It belongs to root from then on, and neither the app nor
        a build can change it. Its checksum goes into its manifest.
      - V(false) is for steps after which the build goes on.
    type: bool
    default: true
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
  greenroom.django.django_prepare:
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
import pwd
from collections.abc import Sequence
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    MANIFEST,
    read_manifest,
    start_django,
)
from ansible_collections.greenroom.django.plugins.module_utils._environment import without_secrets
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import is_inside
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._local_settings import named_values
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._seal import (
    checksums_of_release,
    seal_release,
)
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

STEPS = ["collectstatic", "check", "migrate"]


def publish(app: App, number: int, path: str, seal: bool) -> list[str]:
    """Have all read what was collected at a path backstage, and the app not write it.

    Its links are not published, wherever they lead: they are removed, and returned. Without
    ``seal`` it becomes the build's, for the commands that come after collectstatic.
    """
    app_user, builder = pwd.getpwnam(app.user), pwd.getpwnam(app.builder)
    owner, group = (0, 0) if seal else (builder.pw_uid, app_user.pw_gid)
    with app.open_backstage(number) as backstage, backstage.inner(path) as public:
        whose = [app_user.pw_uid, builder.pw_uid]
        return public.chown_tree(owner, group, whose, files=0o644, granted=0o444, links=False)


def lead_to_public(app: App, number: int, static_root: str, path: str) -> None:
    """Put a link to what was collected at STATIC_ROOT. Raises GreenroomError.

    Where that is, the app says; so it is looked at, and no link on the way there is followed.
    """
    tree = app.release(number)
    homes = [home for home in (tree, os.path.realpath(tree)) if is_inside(static_root, home)]
    place = os.path.relpath(static_root, homes[0]) if homes else "."
    try:
        if place.split("/")[0] in (".", ".greenroom", ".venv"):
            raise GreenroomError(f"It leads out of {tree}, or to what is Greenroom's own there.")
        parent = os.path.dirname(place)
        with Folder.open(app.releases, str(number)) as folder:
            with folder.inner(parent, make=True):
                pass
            folder.remove(place)
            folder.symlink(place, os.path.relpath(f".greenroom/{path}", parent or "."))
    except GreenroomError as error:
        raise GreenroomError(
            f"STATIC_ROOT is {static_root}. Each release needs a folder of its own for static "
            f"files, and for nothing else, inside its tree {tree}: such as "
            f'BASE_DIR / "staticfiles". {error}'
        ) from error


def start(
    app: App, number: int, manifest: dict[str, Any], steps: list[str], params: dict[str, Any]
) -> dict[str, Any]:
    """Do the steps in one Django start, and publish what it collected; what was found."""
    path = "/".join(["public", *params["static_url"].strip("/").split("/")])
    if "collectstatic" in steps:
        owner = pwd.getpwnam(app.user)
        with app.open_backstage(number) as backstage:
            backstage.remove(path)
            with backstage.inner(os.path.dirname(path), make=True):
                pass
            # The app's to write for that moment alone.
            backstage.mkdir(path, 0o755, owner.pw_uid, owner.pw_gid)
    request = {
        "steps": steps,
        "databases": params["databases"],
        "database": params["database"],
        "hosts": params["hosts"],
        "may_be_ahead": params["may_be_ahead"],
        "squashes": squashes_of_releases(app) if "migrate" in steps else {},
        "may_debug": params["may_debug"],
        "tree": app.release(number),
        "static_root": os.path.join(app.backstage(number), path),
        "static_url": params["static_url"],
        "wsgi": manifest["wsgi"],
        "local_settings": manifest.get("local_settings", ""),
    }
    gone: list[str] = []
    collected = [str(request["static_root"])] if "collectstatic" in steps else []
    try:
        found: dict[str, Any] = start_django(
            app, number, manifest, request, params["timeout"], writable=collected
        )
    finally:
        if "collectstatic" in steps:
            gone = publish(app, number, path, params["seal"])
    if found.get("collected") is not None and found["static_root"]:
        lead_to_public(app, number, str(found["static_root"]), path)
    return {**found, **({"unpublished": gone} if gone else {})}


def start_all(
    app: App, number: int, manifest: dict[str, Any], steps: list[str], params: dict[str, Any]
) -> dict[str, Any]:
    """Do the steps up to migrations that wait, in as many Django starts as it takes."""
    found: dict[str, Any] = {}
    done: list[str] = []
    while len(done) < len(steps) and not any(found.get("waiting", {}).values()):
        found.update(start(app, number, manifest, steps[len(done) :], params))
        done += found["done"]
    return {**found, "done": done}


def django_prepare(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do the steps that a release still needs; the result of the module. Raises GreenroomError."""
    app, number = App(params["app"]), params["release"]
    if check_mode and not is_there(app, number):
        return {"changed": True, "msg": f"Would do {', '.join(params['steps'])}."}
    manifest = read_manifest(app, number)
    done = manifest.get("done", [])
    steps = [step for step in params["steps"] if step not in done]
    to_seal = params["seal"] and "sealed" not in manifest
    if check_mode or not (steps or to_seal):
        return {"changed": bool(steps or to_seal)}
    found: dict[str, Any] = {"done": [], "unpublished": []}
    if to_seal:
        found["removed"] = seal_release(app, number)
        if "collectstatic" in done:
            found["unpublished"] = publish(app, number, "public", seal=True)  # a build's until now
    if steps:
        found.update(start_all(app, number, manifest, steps, params))
        manifest.update(wsgi=found["wsgi"], done=done + found["done"])
    if "migrations" in found:  # for the day when another release has to tell what it has more
        manifest.update(migrations=found["migrations"], ahead=found["ahead"])
        manifest["squashes"] = found["squashes"]
    if params["seal"]:
        manifest["sealed"] = checksums_of_release(app, number)
    with app.open_backstage(number) as backstage:
        backstage.write_json(MANIFEST, manifest)
    result: dict[str, Any] = {
        key: found[key] for key in ("waiting", "collected", "django", "wsgi") if key in found
    }
    result["left"] = [step for step in steps if step not in found["done"]]
    secrets = named_values(app, number) if found.get("warnings") else {}
    result["warnings_of_check"] = [
        without_secrets(warning, secrets) for warning in found.get("warnings", [])
    ]
    return {**result, "warnings": warnings(found, result["warnings_of_check"]), "changed": True}


def squashes_of_releases(app: App) -> dict[str, list[str]]:
    """What the releases on disk know of squashed migrations, each with what it replaced."""
    found: dict[str, list[str]] = {}
    for entry in Journal.read(app.journal).on_disk():
        try:
            found.update(read_manifest(app, entry["number"]).get("squashes", {}))
        except GreenroomError:
            continue  # damaged by hand
    return found


def is_there(app: App, number: int) -> bool:
    """Whether the release was made; a dry run made none."""
    try:
        with app.open_backstage(number) as backstage:
            return backstage.exists(MANIFEST)
    except FileNotFoundError:
        return False


def warnings(found: dict[str, Any], of_check: list[str]) -> list[str]:
    """What the user should know, of what the Django start has found."""
    said = [f"manage.py check --deploy: {warning}" for warning in of_check]
    if "collected" in found and found.get("static_app") and not found["static_root"]:
        said.append(
            "The settings have no STATIC_ROOT, so no static files were collected, those of the "
            'admin neither. For them to be served, add: STATIC_ROOT = BASE_DIR / "staticfiles"'
        )
    if found.get("unlisted"):
        said.append(
            f"The repository has files inside STATIC_ROOT ({listed(found['unlisted'])}), which "
            "collectstatic does not list in its manifest: a page that names one with the tag "
            "static answers 500. Move them to a folder that STATICFILES_DIRS names."
        )
    if found.get("unpublished"):
        said.append(
            "Not published, since no web server follows a link in the static files: "
            + listed(found["unpublished"])
        )
    if found.get("removed"):
        said.append(
            f"Removed from the release, as no files, folders or links: {listed(found['removed'])}"
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


def listed(paths: Sequence[str]) -> str:
    """Paths in a sentence, the first ones of many. Who made them may have named them anything."""
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return ", ".join(map(repr, paths[:5])) + more


def main() -> None:
    """What the engine runs."""
    run_module(django_prepare)
