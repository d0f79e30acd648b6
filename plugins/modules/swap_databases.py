#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: swap_databases
short_description: Have the databases that were loaded take the places of those in use
description:
  - The site must be closed meanwhile, see M(greenroom.django.maintenance).
  - What was written since the snapshot is in the databases that were replaced. They are kept, until
    M(greenroom.django.drop_replaced) removes them.
  - A snapshot from before some migrations gets those that the release needs.
  - Nothing is undone here. The journal has what M(greenroom.django.revert) needs for that.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  release:
    description: The release that is to serve afterwards.
    type: int
    required: true
  timeout:
    description: How long the migrations may take, in seconds.
    type: int
    default: 1800
attributes:
  check_mode:
    support: full
    description: In check mode it says that it would.
  diff_mode:
    support: none
    description: The difference between two databases is no text.
"""

EXAMPLES = r"""
- name: Have what was loaded take its place
  greenroom.django.swap_databases:
    app: blog
    release: 43
"""

RETURN = r"""
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
  description: How long that took.
  returned: when not in check mode
  type: float
"""

import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import databases_in_use
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    first_failure,
    run_migrations,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module


def migrate(app: App, number: int, aliases: list[str], timeout: int) -> dict[str, list[str]]:
    """Apply what release ``number`` needs to the databases in use; the names of what was."""
    if not aliases:
        return {}
    done = run_migrations(app, number, "apply", aliases, timeout)
    if first_failure(done):
        raise GreenroomError(f"A migration of release {number} failed: {first_failure(done)}")
    return {alias: database["applied"] for alias, database in done.items()}


def swap_databases(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Swap, and migrate; the result of the module. Raises GreenroomError."""
    if check_mode:
        return {"changed": True}
    app, number = App(params["app"]), params["release"]
    pending = Journal.read(app.journal).pending
    restore = pending and pending.restore
    if not restore:
        raise GreenroomError("No snapshot was loaded that could take the place of anything.")
    for alias, database in databases_in_use(app, number, list(restore.restored)).items():
        database.swap(restore.restored[alias], restore.replaced[alias])
    began = time.monotonic()
    migrated = migrate(app, number, restore.lacking, params["timeout"])
    return {
        "changed": True,
        "replaced": restore.replaced,
        "migrated": migrated,
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """What the engine runs."""
    run_module(swap_databases)
