#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: revert
short_description: Give up a deploy, rollback or restore that failed, and leave the host as it was
description:
  - Puts the release that served before back on stage where it had left already, stops the one that
    failed, closes its entry in the journal, and gives the app's lock back.
  - Migrations that the failed release applied are reversed where they can be; those that a rollback
    reversed are applied again; databases that were replaced take their places again.
  - The tree of the release that failed last stays on disk to be looked at, until the next deploy.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
options:
  release:
    description: The number of the release that was to take the stage, 0 where none was chosen yet.
    type: int
    default: 0
  before:
    description: The number of the release that served when the run began, 0 where none did.
    type: int
    default: 0
  action:
    description: What was being done. A deploy's release counts as failed; a rollback's stays what
      it was.
    type: str
    choices: [deploy, rollback, restore, refresh]
    default: deploy
  note:
    description: Why, for the journal, which keeps its first and its last line.
    type: str
    default: ""
  holder:
    description: The token that holds the lock. Nothing is done where it does not.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: In check mode it does nothing.
  diff_mode:
    support: none
    description: It undoes what others showed.
"""

EXAMPLES = r"""
- name: Abandon release 43
  greenroom.django.revert:
    app: blog
    release: 43
    before: 42
    note: it answered 500
    holder: "{{ begun.token }}"
"""

RETURN = r"""
serving:
  description: The number of the release that serves now, 0 where none does.
  returned: success
  type: int
database:
  description: What became of the database, in a sentence; empty where nothing did.
  returned: success
  type: str
fits:
  description: Whether the database is as the release that serves had it; RV(database) says more.
  returned: success
  type: bool
"""

import os
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import (
    BUILDING,
    FAILED,
    Entry,
    Journal,
)
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock
from ansible_collections.greenroom.django.plugins.module_utils._migrations import undo
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._prune import prune
from ansible_collections.greenroom.django.plugins.module_utils._recovery import end_change
from ansible_collections.greenroom.django.plugins.module_utils._service import Service, service_of


def restore_stage(app: App, service: Service, before: int) -> None:
    """Have the release that served before serve again, running first."""
    if before:
        service.start(before)
        service.enable(before)
        app.put_on_stage(before)
    elif os.path.lexists(app.current):
        os.unlink(app.current)


def restore_database(
    app: App, journal: Journal, service: Service, entry: Entry | None, action: str
) -> tuple[str, bool]:
    """Have the database fit the release that serves; a sentence about it, and whether it does.

    ``entry`` is that of the release that did not take the stage, None where there was none.
    """
    fits = True
    try:
        sentences = [end_change(app, journal, service)[1]]
        # Also a rollback that went forward has applied some.
        if entry is not None and (action == "deploy" or entry.get("migrations", {}).get("again")):
            sentences.append(undo(app, entry))
            applied = entry.get("migrations")
            fits = not applied or bool(applied.get("undone"))
    except GreenroomError as error:
        return str(error), False
    return " ".join(sentence for sentence in sentences if sentence), fits


def close_entry(journal: Journal, number: int, action: str, note: str) -> None:
    """Say in the journal that it did not work."""
    entry = journal.find(number)
    if entry is None:
        return
    if action == "deploy":
        entry["result"] = FAILED
    entry["note"] = shorten(note)


def shorten(note: str) -> str:
    """The first line of a message, and the last of more: what failed, and the error itself."""
    lines = [line.strip()[:200] for line in note.strip().splitlines() if line.strip()]
    return " … ".join(dict.fromkeys(lines[:1] + lines[-1:]))


def prune_failures(app: App, journal: Journal) -> None:
    """Keep the newest failed release alone, so that a day of failures does not fill the disk."""
    failed = [e["number"] for e in journal.entries if e["result"] == FAILED and not e.get("pruned")]
    prune(app, journal, {e["number"] for e in journal.entries} - set(failed[:-1]))


def revert(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Undo and unlock; the result of the module. Raises GreenroomError."""
    app, number, before = App(params["app"]), params["release"], params["before"]
    lock = Lock(app.lock)
    holder = lock.holder()
    if check_mode or holder is None or holder["token"] != params["holder"]:
        return {"changed": False, "serving": app.serving() or 0, "database": "", "fits": True}
    service = service_of(app, params["service_manager"])
    journal = Journal.read(app.journal)
    if not number:  # it failed while it was being made, before anybody could say its number
        number = next((e["number"] for e in journal.entries if e["result"] == BUILDING), 0)
    entry = journal.find(number)
    ours = entry is not None and (params["action"] == "rollback" or entry["result"] == BUILDING)
    ours = ours and number != before
    try:
        if ours and app.serving() == number:
            restore_stage(app, service, before)
        database, fits = restore_database(
            app, journal, service, entry if ours else None, params["action"]
        )
        if ours:
            close_entry(journal, number, params["action"], params["note"])
            journal.write()
            prune_failures(app, journal)
    finally:
        lock.release(params["holder"])
    return {
        "changed": ours or bool(database),
        "serving": app.serving() or 0,
        "database": database,
        "fits": fits,
    }


def main() -> None:
    """What the engine runs."""
    run_module(revert)
