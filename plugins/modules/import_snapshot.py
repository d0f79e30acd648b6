#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: import_snapshot
short_description: Make ready for a snapshot that is carried here from live, and remove it again
description:
  - Refuses a snapshot that could not be put in here, or for which there is no room, before it is
    carried.
  - Makes the folder that it is carried to, which only root can see.
  - M(greenroom.django.load_snapshot) loads it afterwards. What a run that died left of one is
    removed by the next run.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  state:
    description: Whether it is to come, or to go. With V(absent), all that were carried here go.
    type: str
    choices: [expected, absent]
    default: expected
  snapshot:
    description: The snapshot's name on live, for O(state=expected).
    type: str
    default: ""
  databases:
    description: What M(greenroom.django.find_snapshot) found in it.
    type: dict
    default: {}
  anonymised:
    description: Whether a hook makes the data unrecognizable. Where none does, there is a warning.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: In check mode it looks whether the snapshot fits, and makes and removes nothing.
  diff_mode:
    support: none
    description: A snapshot has nothing before it.
"""

EXAMPLES = r"""
- name: Make ready for live's snapshot
  greenroom.django.import_snapshot:
    app: blog
    snapshot: "{{ found.name }}"
    databases: "{{ found.databases }}"
  register: expected

- name: Remove it, now that it was loaded
  greenroom.django.import_snapshot:
    app: blog
    state: absent
"""

RETURN = r"""
name:
  description: What the snapshot is called here.
  returned: with O(state=expected)
  type: str
  sample: live-42-20261121T150312Z
path:
  description: The folder to carry it to.
  returned: with O(state=expected)
  type: str
"""

import os
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import CARRIED, App
from ansible_collections.greenroom.django.plugins.module_utils._backup import (
    databases_in_use,
    serving_release,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._migrations import migrations_of
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._snapshot import (
    Snapshot,
    refuse_without_room,
    refuse_without_rsync,
)


def refuse_what_does_not_fit(app: App, number: int, snapshot: Snapshot) -> None:
    """Refuse a snapshot of another engine, or for which there is no room. Raises GreenroomError.

    A database that is a file needs its room once more, beside the one in use.
    """
    about = snapshot["databases"]
    databases = databases_in_use(app, number, list(about))
    for alias, database in databases.items():
        was = about[alias]["engine"]
        if was != database.engine:
            raise GreenroomError(
                f"Live has the database {alias!r} in {was}, and release {number} of staging uses "
                f"{database.engine}. A refresh needs the same on both: see app_database."
            )
        database.check_restore()
    there = app.backups if os.path.isdir(app.backups) else app.home
    needs = [(there, sum(database["size"] for database in about.values()))]
    needs += [
        (database.folder, about[alias]["size"])
        for alias, database in databases.items()
        if database.folder
    ]
    refuse_without_room(app, "The snapshot of live", needs)


def warnings(app: App, number: int, snapshot: Snapshot, anonymised: bool) -> list[str]:
    """What the user should know before live's data is on staging."""
    said = []
    if not anonymised:
        said.append(
            "app_hooks has no anonymise, so staging gets the data of live's users as it is."
        )
    known = migrations_of(app, number)
    applied = {name for about in snapshot["databases"].values() for name in about["migrations"]}
    ahead = sorted(applied - set(applied if known is None else known))
    if ahead:
        said.append(
            f"Live is ahead of release {number} of staging, which does not have "
            f"{', '.join(ahead)}. To test the next deploy of live, deploy it on staging first."
        )
    return said


def import_snapshot(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look and make ready, or remove; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    if params["state"] == "absent":
        carried = app.carried()
        for path in carried if not check_mode else ():
            remove(path)
        return {"changed": bool(carried)}
    number = serving_release(app)
    refuse_without_rsync()
    snapshot = {"name": params["snapshot"], "databases": params["databases"]}
    refuse_what_does_not_fit(app, number, snapshot)
    name = f"{CARRIED}{params['snapshot']}"
    path = os.path.join(app.backups, name)
    if not check_mode:
        os.makedirs(app.backups, exist_ok=True)
        os.chmod(app.backups, 0o700)  # also where somebody made it by hand
        os.mkdir(path, 0o700)
    return {
        "changed": True,
        "name": name,
        "path": path,
        "warnings": warnings(app, number, snapshot, params["anonymised"]),
    }


def main() -> None:
    """What the engine runs."""
    run_module(import_snapshot)
