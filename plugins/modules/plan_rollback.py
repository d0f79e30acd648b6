#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: plan_rollback
short_description: Plan a rollback of the database to another release
description:
  - Compares what is applied with the files of the release that is gone to. Migrations that it does
    not have either stay, or are reversed.
  - Those that the older code can live with stay, so that nothing is lost and the way back takes
    seconds. Those that it cannot live with are reversed, where reversing drops nothing that was
    written. In all other cases the module fails, before anything was changed, and says which
    migrations, tables and columns, how many rows, and the words to go on.
  - Only the code of the newer release can reverse its migrations. It is still on disk.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.databases
options:
  release:
    description: The number of the release that is gone to.
    type: int
    required: true
  serving:
    description: The number of the release that serves, 0 where none does.
    type: int
    default: 0
  migrations:
    description:
      - V(auto) decides as above. V(keep) reverses nothing. V(reverse) takes back all that the
        release does not have, whatever is dropped.
    type: str
    choices: [auto, keep, reverse]
    default: auto
  restore_database:
    description:
      - Restore the snapshot from before the first migrations that the release does not have,
        instead of reversing any. The data written since is set aside.
    type: bool
    default: false
  snapshot:
    description: Another snapshot for O(restore_database=true).
    type: str
    default: ""
  migration:
    description: Go to this migration, as C(app.0007) or C(app.zero), and decide nothing.
    type: str
    default: ""
  timeout:
    description: How long Django may take to look, in seconds.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: The result lists what stays and what is reversed.
"""

EXAMPLES = r"""
- name: Decide what becomes of the migrations that release 42 does not have
  greenroom.django.plan_rollback:
    app: blog
    release: 42
    serving: 45
"""

RETURN = r"""
code:
  description: The release whose code knows all migrations that are applied.
  returned: success
  type: int
step:
  description: What M(greenroom.django.migrate) has to do, C(apply), C(reverse) or C(to), or
    C(restore) for a snapshot that is to be put back; empty for nothing.
  returned: success
  type: str
reverse:
  description: For each database, the migrations to reverse.
  returned: success
  type: dict
keep:
  description: For each database, the migrations that stay though the release does not have them.
  returned: success
  type: dict
snapshot:
  description: The snapshot that is to be put back, empty for none.
  returned: success
  type: str
before_handover:
  description: Whether the release can serve only after that.
  returned: success
  type: bool
"""

import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    ahead_of,
    decide,
    keeper,
    migrations_of,
    run_migrations,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._snapshot import (
    Snapshot,
    find,
    list_snapshots,
)


def snapshot_before(app: App, journal: Journal, number: int) -> Snapshot | None:
    """The newest snapshot that release ``number`` could live with, where newer ones migrated.

    Mostly that is the one from before the first migrations that the release does not have.
    """
    if not any(e["number"] > number and e.get("migrations") for e in journal.entries):
        return None
    known = {*(migrations_of(app, number) or ()), *ahead_of(app, number)}
    return next((each for each in list_snapshots(app) if applied_in(each) <= known), None)


def applied_in(snapshot: Snapshot) -> set[str]:
    """The migrations that were applied when a snapshot was taken."""
    return {name for about in snapshot["databases"].values() for name in about["migrations"]}


def loses(snapshot: Snapshot) -> str:
    """What putting a snapshot back loses, in words."""
    minutes = max(1, round((time.time() - snapshot["taken"]) / 60))
    return f"what was written in the last {minutes} minute{'s' if minutes > 1 else ''}"


def choose_snapshot(
    app: App, journal: Journal, number: int, params: dict[str, Any]
) -> tuple[Snapshot, str]:
    """The snapshot to put back for release ``number``, and what that means, in a sentence.

    Raises GreenroomError where none was meant, or there is none.
    """
    name = params["snapshot"]
    snapshot = find(app, name) if name else snapshot_before(app, journal, number)
    if snapshot is None:
        there = ", ".join(each["name"] for each in list_snapshots(app)) or "none"
        raise GreenroomError(
            "restore_database is true, and there is no snapshot from before migrations that "
            f"release {number} does not have. Nothing was changed. Leave it out, or say which one: "
            f"-e snapshot=NAME. There are, newest first: {there}."
        )
    return snapshot, (
        f"Putting the snapshot {snapshot['name']} back loses {loses(snapshot)}. It is in the "
        "databases that are replaced, which are kept, and in another snapshot, taken now."
    )


def check_migration(wanted: str, there: list[str], code: int) -> None:
    """Refuse a migration that the release whose code reverses does not have.

    A part of the name is enough, as to Django; zero is before the first one of an app.
    """
    label, _, name = wanted.partition(".")
    of_app = [each for each in there if each.startswith(f"{label}.")]
    if not of_app or not (name == "zero" or any(each.startswith(wanted) for each in of_app)):
        known = of_app or sorted({each.partition(".")[0] for each in there})
        raise GreenroomError(
            f"migration is {wanted!r}, which release {code} does not have. Nothing was changed. "
            f"There are: {', '.join(known)}."
        )


def plan_rollback(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Compare and decide; the result of the module. Raises GreenroomError."""
    app, number, serving = App(params["app"]), params["release"], params["serving"]
    if params["restore_database"] and (params["migration"] or params["migrations"] != "auto"):
        raise GreenroomError(
            "restore_database is true, so all of the database goes back; leave out migrations= and "
            "migration=."
        )
    nothing = {
        "changed": False,
        "code": serving,
        "step": "",
        "snapshot": "",
        "reverse": {},
        "keep": {},
        "before_handover": False,
    }
    if not serving or number == serving:
        return nothing
    journal = Journal.read(app.journal)
    code = keeper(app, journal, serving)
    if params["restore_database"]:
        snapshot, sentence = choose_snapshot(app, journal, number, params)
        result = {**nothing, "step": "restore", "snapshot": snapshot["name"]}
        return {**result, "before_handover": True, "warnings": [sentence]}
    if params["migration"]:
        check_migration(params["migration"], migrations_of(app, code) or [], code)
        return {**nothing, "code": code, "step": "to", "before_handover": True}
    if number > serving:
        # Forward again: what was reversed on the way back is applied once more.
        return {**nothing, "code": number, "step": "apply", "before_handover": True}
    known = migrations_of(app, number)
    if known is None:
        raise GreenroomError(
            f"Release {number} was made before migrations were recorded, so it cannot be compared. "
            f"Deploy its revision again: deploy.yml -e rev=REVISION"
        )
    if set(migrations_of(app, code) or ()) <= set(known):
        return nothing  # no Django start for the most common case
    found = run_migrations(app, code, "plan", params["databases"], params["timeout"], known=known)
    ahead = {alias: database["ahead"] for alias, database in found.items()}
    before = snapshot_before(app, journal, number)
    words = (
        f"-e restore_database=true (restores {before['name']}: loses {loses(before)})"
        if before
        else ""
    )
    way = decide(ahead, params["migrations"], number, words)
    theirs = set(migrations_of(app, code) or ())  # with those that a squashed one replaced
    lost = sorted({name for each in found.values() for name in each["missing"]} - theirs)
    if lost and way.reverses:
        raise GreenroomError(
            f"{', '.join(lost)}: applied by a release that is not on disk any more, and only its "
            f"code can reverse what release {number} cannot live with. Nothing was changed. Deploy "
            "that code again first, or leave all as it is: -e migrations=keep"
        )
    return {
        **nothing,
        "code": code,
        "step": "reverse" if way.reverses else "",
        "reverse": way.reverse,
        "keep": {alias: kept for alias, kept in way.keep.items() if kept},
        "before_handover": way.before_handover,
    }


def main() -> None:
    """What the engine runs."""
    run_module(plan_rollback)
