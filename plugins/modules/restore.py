#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: restore
short_description: Put a snapshot of an app's databases back
description:
  - Takes a snapshot of the present state, and loads the one that was asked for into fresh
    databases beside the present ones, while the site goes on being used.
  - Only when all of it is there, the site goes into maintenance for some seconds. The release that
    serves is stopped, the databases change places, and it is started and must prove itself again.
    Where it does not, the present databases are put back.
  - What was written after the snapshot is in the databases that were replaced. They are kept, until
    M(greenroom.django.drop_replaced) removes them.
  - A snapshot from before some migrations gets those that the release on stage needs.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  app:
    description: The name of the app.
    type: str
    required: true
  snapshot:
    description: The name of the snapshot. Where there is no such, the error says which there are.
    type: str
    default: ""
  by:
    description: Who restores.
    type: str
    required: true
  host:
    description: The site's own name, for the Host header.
    type: str
    required: true
  path:
    description: The path of the health page.
    type: str
    default: /
  status:
    description: The HTTP status that a healthy release answers.
    type: int
    default: 200
  timeout:
    description: How long the release may take until its first answer, in seconds.
    type: int
    default: 30
  service_manager:
    description: What keeps the app's releases running.
    type: str
    choices: [systemd]
    default: systemd
attributes:
  check_mode:
    support: full
    description: In check mode it looks whether the snapshot is whole and could be put back.
  diff_mode:
    support: none
    description: The difference between two databases is no text.
"""

EXAMPLES = r"""
- name: Put back what was there before the big import
  greenroom.django.restore:
    app: blog
    snapshot: 42-20261121T150312Z
    by: ada@laptop
    host: www.example.com
    path: /health/
"""

RETURN = r"""
saved:
  description: The name of the snapshot of the state before; empty where none could be taken.
  returned: when not in check mode
  type: str
replaced:
  description: For each database, the name under which the one that was replaced is kept.
  returned: when not in check mode
  type: dict
  sample:
    default: /srv/blog/shared/db.sqlite3_before_20261121t150312z
migrated:
  description: For each database, the migrations that were applied to what was put back.
  returned: when not in check mode
  type: dict
seconds:
  description: How long the site was in maintenance.
  returned: when not in check mode
  type: float
"""

import time
from contextlib import suppress
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import (
    databases_in_use,
    serving_release,
)
from ansible_collections.greenroom.django.plugins.module_utils._database import Database
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import maintenance
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    first_failure,
    run_migrations,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._prove import start_and_prove
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of
from ansible_collections.greenroom.django.plugins.module_utils._service.systemd import Systemd
from ansible_collections.greenroom.django.plugins.module_utils._snapshot import (
    NoRoomError,
    Snapshot,
    check,
    find,
    path_of,
    take,
)

OPTIONS = {
    "app": {"type": "str", "required": True},
    "snapshot": {"type": "str", "default": ""},
    "by": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "path": {"type": "str", "default": "/"},
    "status": {"type": "int", "default": 200},
    "timeout": {"type": "int", "default": 30},
    "service_manager": {"type": "str", "choices": ["systemd"], "default": "systemd"},
}

STOPPING = 600  # seconds; the unit itself gives up earlier
MIGRATING = 1800


def refuse_what_cannot_be(snapshot: Snapshot, databases: dict[str, Database]) -> None:
    """Refuse, before anything is changed, a restore that would not come to its end."""
    for alias, database in databases.items():
        was = snapshot["databases"][alias]["engine"]
        if was != database.engine:
            raise GreenroomError(
                f"The snapshot {snapshot['name']} has the database {alias!r} of {was}, and the "
                f"release that serves uses {database.engine}. Go back to a release that used "
                f"{was} first, or restore another snapshot."
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


def lacks_migrations(snapshot: Snapshot, databases: dict[str, Database]) -> list[str]:
    """The databases to which more migrations were applied since."""
    lacking = []
    for alias, database in databases.items():
        then = set(snapshot["databases"][alias]["migrations"])
        now = {""}  # one that nobody can read may have had any
        with suppress(GreenroomError):
            now = set(database.migrations())
        if now - then:
            lacking.append(alias)
    return lacking


def stop_all(service: Systemd) -> None:
    """Have every release of the app end, and wait for that: none may write to what is replaced."""
    for number in service.running():
        service.stop(number)
    deadline = time.monotonic() + STOPPING
    while service.running():
        if time.monotonic() > deadline:
            raise GreenroomError(
                f"Release {service.running()[0]} did not stop within {STOPPING} seconds."
            )
        time.sleep(0.1)


def migrate(app: App, number: int, aliases: list[str]) -> dict[str, list[str]]:
    """Apply what release ``number`` needs to the databases in use; the names of what was."""
    if not aliases:
        return {}
    done = run_migrations(app, number, "apply", aliases, MIGRATING)
    if first_failure(done):
        raise GreenroomError(f"A migration of release {number} failed: {first_failure(done)}")
    return {alias: database["applied"] for alias, database in done.items()}


def swap_all(databases: dict[str, Database], fresh: dict[str, str], before: dict[str, str]) -> None:
    """Have all fresh databases take their places, or none. Raises GreenroomError."""
    swapped = []
    try:
        for alias, database in databases.items():
            database.swap(fresh[alias], before[alias])
            swapped.append(alias)
    except GreenroomError:
        for alias in swapped:
            databases[alias].swap(before[alias], fresh[alias])
        raise


def change_places(
    app: App,
    number: int,
    databases: dict[str, Database],
    fresh: dict[str, str],
    before: dict[str, str],
    lacking: list[str],
    params: dict[str, Any],
) -> dict[str, list[str]]:
    """Swap while nothing of the app runs; what was migrated. Raises GreenroomError.

    After an error all is as it was.
    """
    service = service_of(app, params["service_manager"])
    swapped = False
    try:
        stop_all(service)
        swap_all(databases, fresh, before)
        swapped = True
        migrated = migrate(app, number, lacking)
        start_and_prove(
            app,
            service,
            number,
            params["host"],
            params["path"],
            params["status"],
            params["timeout"],
        )
    except BaseException as error:
        if swapped:
            stop_all(service)
            swap_all(databases, before, fresh)
        service.start(number)
        if isinstance(error, GreenroomError):
            raise GreenroomError(
                f"{error}\nThe databases are those from before, and release {number} serves."
            ) from error
        raise
    return migrated


def restore(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Put a snapshot back; the result of the module. Raises GreenroomError."""
    app, by = App(params["app"]), params["by"]
    number = serving_release(app)
    snapshot = find(app, params["snapshot"])
    check(app, snapshot)
    databases = databases_in_use(app, number, list(snapshot["databases"]))
    refuse_what_cannot_be(snapshot, databases)
    if check_mode:
        return {"changed": True}
    saved, warnings = save(app, number, databases, snapshot, by)
    lacking = lacks_migrations(snapshot, databases)
    moment = time.strftime("%Y%m%dt%H%M%Sz", time.gmtime())
    before = {alias: database.name_before(moment) for alias, database in databases.items()}
    fresh: dict[str, str] = {}
    try:
        for alias, database in databases.items():
            fresh[alias] = database.restore(path_of(app, snapshot, alias))
        began = time.monotonic()
        with maintenance(app, f"{by} restores the snapshot {snapshot['name']}"):
            migrated = change_places(app, number, databases, fresh, before, lacking, params)
        seconds = round(time.monotonic() - began, 3)
    except BaseException:
        for alias, name in fresh.items():
            databases[alias].drop(name)
        raise
    return {
        "changed": True,
        "saved": saved,
        "replaced": before,
        "migrated": migrated,
        "seconds": seconds,
        "warnings": warnings,
    }


def main() -> None:
    """What Ansible runs."""
    run_module(OPTIONS, restore)


if __name__ == "__main__":
    main()
