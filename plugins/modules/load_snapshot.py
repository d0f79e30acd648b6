#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: load_snapshot
short_description: Load a snapshot of an app's databases into fresh ones, beside those in use
description:
  - Refuses a snapshot that is damaged, or that could not be put back, before anything is changed.
  - Takes a snapshot of the present state, and loads the one that was asked for into fresh
    databases, while the site goes on being used.
  - M(greenroom.django.swap_databases) has them take their places.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  snapshot:
    description: The name of the snapshot. Where there is no such, the error says which there are.
    type: str
    default: ""
  release:
    description: The release that is to serve what is put back; 0 for the one that serves now.
    type: int
    default: 0
  environment:
    description: The environment that this host is in. On V(live), a snapshot of staging is refused.
    type: str
    choices: ["", staging, live]
    default: ""
  by:
    description: Who restores.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: In check mode it looks whether the snapshot is whole and could be put back.
  diff_mode:
    support: none
    description: The difference between two databases is no text.
"""

EXAMPLES = r"""
- name: Load what was there before the big import
  greenroom.django.load_snapshot:
    app: blog
    snapshot: 42-20261121T150312Z
    by: ada@laptop
"""

RETURN = r"""
saved:
  description: The name of the snapshot of the state before; empty where none could be taken.
  returned: when not in check mode
  type: str
"""

import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import (
    databases_in_use,
    serving_release,
)
from ansible_collections.greenroom.django.plugins.module_utils._database.base import Database
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._migrations import migrations_of
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._pending_change import Restore
from ansible_collections.greenroom.django.plugins.module_utils._recovery import begin_change
from ansible_collections.greenroom.django.plugins.module_utils._snapshot import (
    NoRoomError,
    Snapshot,
    check,
    find,
    path_of,
    refuse_of_another_environment,
    take,
)


def refuse_what_cannot_be(snapshot: Snapshot, databases: dict[str, Database], number: int) -> None:
    """Refuse, before anything is changed, a restore that would not come to its end."""
    for alias, database in databases.items():
        was = snapshot["databases"][alias]["engine"]
        if was != database.engine:
            raise GreenroomError(
                f"The snapshot {snapshot['name']} has the database {alias!r} of {was}, and release "
                f"{number} uses {database.engine}. Go back to a release that used {was} first, or "
                "restore another snapshot."
            )
        database.check_restore()


def save(
    app: App, number: int, databases: dict[str, Database], snapshot: Snapshot, by: str
) -> tuple[str, list[str]]:
    """Take a snapshot of the present state; its name, and a warning where that does not work.

    A database that is damaged or gone is a reason to restore, and none to refuse it; it is kept
    beside as it is, too. Where there is no room for a copy, there is none for a restore.
    """
    try:
        return take(app, number, databases, f"before restoring {snapshot['name']}", by), []
    except NoRoomError:
        raise
    except GreenroomError as error:
        return "", [f"No snapshot of the present state could be taken: {error}"]


def load(
    app: App, snapshot: Snapshot, databases: dict[str, Database], lacking: list[str]
) -> Restore:
    """Load all of a snapshot, or nothing. Raises GreenroomError.

    ``lacking`` are the databases that will need migrations.
    """
    moment = time.strftime("%Y%m%dt%H%M%Sz", time.gmtime())
    restored: dict[str, str] = {}
    try:
        for alias, database in databases.items():
            restored[alias] = database.restore(path_of(app, snapshot, alias))
        replaced = {alias: each.name_before(moment) for alias, each in databases.items()}
    except BaseException:
        for alias, name in restored.items():
            databases[alias].drop(name)
        raise
    return Restore(restored, replaced, lacking)


def lacks_migrations(app: App, number: int, snapshot: Snapshot) -> list[str]:
    """The databases of a snapshot that lack a migration whose file release ``number`` has."""
    wanted = migrations_of(app, number)
    return [
        alias
        for alias, about in snapshot["databases"].items()
        if wanted is None or set(wanted) - set(about["migrations"])
    ]


def load_snapshot(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Check, save and load; the result of the module. Raises GreenroomError."""
    app, serving = App(params["app"]), serving_release(App(params["app"]))
    number = params["release"] or serving
    snapshot = find(app, params["snapshot"])
    refuse_of_another_environment(snapshot, params["environment"])
    check(app, snapshot)
    databases = databases_in_use(app, number, list(snapshot["databases"]))
    refuse_what_cannot_be(snapshot, databases, number)
    if check_mode:
        return {"changed": True}
    saved, warnings = save(app, serving, databases, snapshot, params["by"])
    lacking = lacks_migrations(app, number, snapshot)
    begin_change(app, number, restore=load(app, snapshot, databases, lacking))
    return {"changed": True, "saved": saved, "warnings": warnings}


def main() -> None:
    """What the engine runs."""
    run_module(load_snapshot)
