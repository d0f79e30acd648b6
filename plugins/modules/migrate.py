#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: migrate
short_description: Plan, apply or reverse the migrations of a release
description:
  - Does in one Django start, as the app's user and with the release's own environment, what would
    take several of C(showmigrations), C(sqlmigrate) and C(migrate).
  - The code of O(release) is what runs. It can tell, apply and reverse only the migrations whose
    files it has.
  - Before anything changes, the release's entry in the journal notes what waits, and a snapshot is
    taken.
  - An apply that fails half-way is taken back, where all that was applied can be reversed.
  - In PostgreSQL a migration waits for a lock no longer than 5 seconds, so that the site does not
    wait behind it, and is tried again up to five times.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.databases
options:
  release:
    description: The number of the release whose code runs. It must be built.
    type: int
    required: true
  step:
    description:
      - V(plan) lists the applied and the pending migrations, and the effects of each. It changes
        nothing.
      - V(apply) applies all pending migrations.
      - V(reverse) reverses those in O(reverse), and all that depend on them.
      - V(to) migrates to the one in O(target), forwards or backwards.
    type: str
    choices: [plan, apply, reverse, to]
    default: plan
  reverse:
    description: For each database, the migrations to take back, as C(app.0007_name).
    type: dict
    default: {}
  target:
    description: The migration to go to, as C(app.0007) or C(app.zero).
    type: str
    default: ""
  sql:
    description: With O(step=plan), tell the SQL of those that wait.
    type: bool
    default: false
  serving:
    description: The release that serves meanwhile, 0 where none does.
    type: int
    default: 0
  for_release:
    description: The release that O(step=reverse) or O(step=to) is done for, 0 for none. If the
      run is interrupted before that is current, the next one applies again what was reversed.
    type: int
    default: 0
  check:
    description:
      - What to do with migrations that would break O(serving), as django-migration-linter finds
        them. With V(stop), nothing is changed.
    type: str
    choices: ["off", warn, stop]
    default: warn
  maintenance:
    description: Have the web server answer 503 from before the change on. What puts a release on
      stage ends it.
    type: bool
    default: false
  by:
    description: Who does it, for the snapshot.
    type: str
    default: ""
  keep_snapshots:
    description: How many snapshots are kept.
    type: int
    default: 10
  keep_snapshots_days:
    description: How old a snapshot may become, in days.
    type: int
    default: 30
  timeout:
    description: How long the migrations may take, in seconds.
    type: int
    default: 1800
attributes:
  check_mode:
    support: full
    description: In check mode it looks, and says what it would apply or reverse.
  diff_mode:
    support: none
    description: The result lists what was applied and reversed.
"""

EXAMPLES = r"""
- name: List pending migrations with their SQL
  greenroom.django.migrate:
    app: blog
    release: 43
    sql: true

- name: Apply pending migrations
  greenroom.django.migrate:
    app: blog
    release: 43
    step: apply
    serving: 42
    check: stop

- name: Reverse the migrations of one Django app to an earlier one
  greenroom.django.migrate:
    app: blog
    release: 43
    step: to
    target: posts.0007
"""

RETURN = r"""
databases:
  description:
    - For each database, what was found and done.
    - With O(step=plan), RV(ignore:applied) and RV(ignore:missing) (applied ones whose files the
      release does not have) are names, and RV(ignore:waiting) a list of dictionaries with the keys
      name, operations, reversible, needed_by and sql. Each operation has the keys what, reversible,
      livable (older code can live with it) and drops.
    - With the others, RV(ignore:applied) and RV(ignore:reversed) are the names of those that were.
  returned: success
  type: dict
snapshot:
  description: The snapshot that was taken before, empty where none was.
  returned: when something was to change
  type: str
"""

import glob
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import back_up
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import BUILDING, Journal
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import switch_on
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    Databases,
    first_failure,
    names,
    run_migrations,
    undo,
    way_back_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._pending_change import Reversal
from ansible_collections.greenroom.django.plugins.module_utils._recovery import begin_change

# Where site.yml puts it, for any Python.
LINTER = "/opt/greenroom/lib/python3*/site-packages"


def breaking(found: Databases) -> list[str]:
    """What the linter said of the migrations that wait, a line each."""
    return [
        f"{migration['name']}: {issue}"
        for database in found.values()
        for migration in database["waiting"]
        for issue in migration.get("lint", [])
    ]


def unchecked(found: Databases) -> list[str]:
    """Of what the linter could make nothing, a warning each."""
    return [
        f"django-migration-linter could not judge {migration['name']} "
        f"({migration['lint_failure']}): whether the current release is compatible is unknown."
        for database in found.values()
        for migration in database["waiting"]
        if "lint_failure" in migration
    ]


def refuse_breaking(found: Databases, params: dict[str, Any]) -> list[str]:
    """Warnings for people; raises GreenroomError where they are to stop the deploy."""
    issues = breaking(found)
    if not issues:
        return []
    listed = "".join(f"\n- {issue}" for issue in dict.fromkeys(issues))
    if params["check"] == "stop":
        raise GreenroomError(
            f"These migrations would break release {params['serving']}, which serves while they "
            f"run, and after a rollback:{listed}\nNothing was changed. Make it two deploys, as "
            "docs/migrations.md shows, or say that it may be: -e allow_backwards_incompatible=true"
        )
    return [f"These migrations may break release {params['serving']} while they run:{listed}"]


def apply(app: App, params: dict[str, Any], journal: Journal, found: Databases) -> dict[str, Any]:
    """Journal, snapshot, apply; and back again where it fails. Raises GreenroomError."""
    number = params["release"]
    entry = journal.get(number)
    waiting = {alias: database["waiting"] for alias, database in found.items()}
    snapshot = snapshot_before(app, params) if params["serving"] else ""
    entry["migrations"] = {
        "waiting": {alias: names(described) for alias, described in waiting.items()},
        "back": way_back_of(waiting),
        "snapshot": snapshot,
        "again": entry["result"] != BUILDING,  # it was on stage before, and went back
    }
    journal.write()
    done, failure = attempt(app, params)
    if not failure:
        return {"databases": done, "snapshot": snapshot}
    try:
        undone = undo(app, entry, params["timeout"])
    except GreenroomError as error:
        undone = f"What was applied before it could not be taken back: {error}"
    journal.write()
    raise GreenroomError(f"A migration of release {number} failed. {failure}\n{undone}".strip())


def attempt(app: App, params: dict[str, Any]) -> tuple[Databases, str]:
    """Have Django do the step; what it did, and why it failed where it did, or where it died."""
    try:
        done = run_migrations(
            app,
            params["release"],
            params["step"],
            params["databases"],
            params["timeout"],
            reverse=params["reverse"],
            target=params["target"],
        )
    except GreenroomError as error:
        return {}, str(error)
    return done, first_failure(done)


def snapshot_before(app: App, params: dict[str, Any]) -> str:
    """Take a snapshot of what there is before a change; its name."""
    number = params["release"]
    reason = f"before the migrations of release {number}"
    if params["for_release"]:
        reason = f"before going back to release {params['for_release']}"
    taken = back_up(
        app,
        number,
        params["databases"],
        reason,
        params["by"],
        params["keep_snapshots"],
        params["keep_snapshots_days"],
    )
    return str(taken["name"])


def change(app: App, params: dict[str, Any], found: Databases) -> dict[str, Any]:
    """Reverse, or go to a migration. Raises GreenroomError."""
    snapshot = snapshot_before(app, params)
    applied = {alias: database["applied"] for alias, database in found.items()}
    reversal = Reversal(params["release"], applied) if params["for_release"] else None
    begin_change(app, params["for_release"], params["maintenance"], reversal)
    if params["maintenance"]:
        switch_on(
            app,
            f"migrations are taken back for release {params['for_release'] or params['release']}",
        )
    done, failure = attempt(app, params)
    if failure:
        raise GreenroomError(
            f"The migrations of release {params['release']} could not be reversed: {failure}\n"
            f"A snapshot of the state before is there: restore.yml -e snapshot={snapshot}"
        )
    return {"databases": done, "snapshot": snapshot}


def migrate(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look, and do; the result of the module. Raises GreenroomError."""
    app, number, step = App(params["app"]), params["release"], params["step"]
    checks = step == "apply" and params["serving"] and params["check"] != "off"
    folders = glob.glob(LINTER) if checks else []
    found = run_migrations(
        app,
        number,
        "plan",
        params["databases"],
        params["timeout"],
        sql=params["sql"],
        linter=folders[0] if folders else "",
    )
    if step == "plan":
        return {"changed": False, "databases": found}
    if step != "apply":
        return {"changed": True, **({} if check_mode else change(app, params, found))}
    warnings = refuse_breaking(found, params) + unchecked(found)
    if checks and not folders:
        warnings.append("django-migration-linter is not on this host. Run site.yml again.")
    if not any(database["waiting"] for database in found.values()):
        return {"changed": False, "databases": found, "warnings": warnings}
    done = {} if check_mode else apply(app, params, Journal.read(app.journal), found)
    return {"changed": True, **done, "warnings": warnings}


def main() -> None:
    """What the engine runs."""
    run_module(migrate)
