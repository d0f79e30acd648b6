#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: record
short_description: Record a handover, retire what left the stage, prune, and unlock
description:
  - Closes the journal's entry, lets the release that left finish its scene and stop, removes
    releases and virtualenvs that retention does not keep, and gives the app's lock back.
  - Never removes the release that serves, one that still runs, or a virtualenv that a release
    needs.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
options:
  release:
    description: The number of the release that has taken the stage.
    type: int
    required: true
  before:
    description: The number of the release that left it, 0 where there was none.
    type: int
    default: 0
  action:
    description:
      - Whether V(release) is a new one, or one that was gone back (or forward) to.
      - A rollback marks the release that it leaves as bad when it is the newer one, and prunes
        nothing, so that one can go forward again.
    type: str
    choices: [deploy, rollback]
    default: deploy
  by:
    description: Who did it, for the journal.
    type: str
    required: true
  holder:
    description: The token that holds the lock.
    type: str
    required: true
  keep:
    description: How many good releases retention keeps, the one that serves included.
    type: int
    default: 5
attributes:
  check_mode:
    support: full
    description: In check mode it says that it would record.
  diff_mode:
    support: none
    description: M(greenroom.django.hand_over) shows what changed on stage.
"""

EXAMPLES = r"""
- name: Record release 43, and retire 42
  greenroom.django.record:
    app: blog
    release: 43
    before: 42
    by: ada@laptop
    holder: "{{ begun.token }}"
"""

RETURN = r"""
stopped:
  description: The releases that were asked to finish.
  returned: when not in check mode
  type: list
  elements: int
pruned:
  description: The releases that were removed from disk.
  returned: when not in check mode
  type: list
  elements: int
"""

import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import read_manifest
from ansible_collections.greenroom.django.plugins.module_utils._journal import BAD, GOOD, Journal
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock
from ansible_collections.greenroom.django.plugins.module_utils._migrations import keeper
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._prune import prune
from ansible_collections.greenroom.django.plugins.module_utils._recovery import (
    finish_change,
    retire_others,
)
from ansible_collections.greenroom.django.plugins.module_utils._service import (
    retire_previous,
    service_of,
)


def close_entry(journal: Journal, params: dict[str, Any], now: int) -> None:
    """Say in the journal how the release came on stage, and what became of the one before."""
    entry = journal.get(params["release"])
    entry["result"] = GOOD
    entry["on_stage"] = now
    entry.pop("note", None)
    entry.get("migrations", {}).pop("again", None)
    left = journal.find(params["before"])
    if params["action"] == "rollback" and left is not None and left["number"] > entry["number"]:
        left["result"] = BAD
        left["note"] = f"rolled back from, to {entry['number']}, by {params['by']}"


def record(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Journal, retire, prune, unlock; the result of the module. Raises GreenroomError."""
    if check_mode:
        return {"changed": True}
    app, serving = App(params["app"]), params["release"]
    journal = Journal.read(app.journal)
    close_entry(journal, params, int(time.time()))
    journal.write()
    service = service_of(app, params["service_manager"])
    stopped = retire_others(service, serving)
    retire_previous(app, params["service_manager"], serving)
    finish_change(app, journal)
    pruned = []
    if params["action"] == "deploy":
        kept = journal.to_keep(serving, params["keep"])
        if read_manifest(app, serving).get("ahead"):
            # Only the code that applied what this release does not know can reverse it one day.
            kept.add(keeper(app, journal, serving))
        pruned = prune(app, journal, kept | {serving, *stopped})
    Lock(app.lock).release(params["holder"])
    return {"changed": True, "stopped": stopped, "pruned": pruned}


def main() -> None:
    """What the engine runs."""
    run_module(record)
