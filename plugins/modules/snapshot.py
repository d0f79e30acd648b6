#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: snapshot
short_description: Take a snapshot of an app's databases
description:
  - Copies the databases that the release on stage uses, as they are at one moment and while the
    site goes on being used, to a folder of the host that only root can read. Each copy is read
    back before it counts.
  - Then older snapshots are removed, by their number and age. The newest stays, and so do those
    that a release on disk may need.
  - Knows SQLite and PostgreSQL.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.databases
options:
  reason:
    description: Why, for those who look for a snapshot later.
    type: str
    default: asked for
  by:
    description: Who asked for it.
    type: str
    required: true
  keep:
    description: How many snapshots stay.
    type: int
    default: 10
  keep_days:
    description: For how many days they do.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: In check mode it says that it would take one.
  diff_mode:
    support: none
    description: A snapshot has nothing before it.
"""

EXAMPLES = r"""
- name: Take a snapshot before the big import
  greenroom.django.snapshot:
    app: blog
    databases: [default, archive]
    reason: before the big import
    by: ada@laptop
"""

RETURN = r"""
name:
  description: The snapshot's name, for M(greenroom.django.restore).
  returned: when not in check mode
  type: str
  sample: 42-20261121T150312Z
pruned:
  description: The snapshots that were removed.
  returned: when not in check mode
  type: list
  elements: str
snapshots:
  description:
    - Those that there are, newest first. Each has C(name), C(release), C(size) (bytes), C(age)
      (seconds), C(reason), C(by) and C(databases).
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import (
    back_up,
    serving_release,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._snapshot import summaries


def snapshot(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Take one; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    number = serving_release(app)
    if check_mode:
        return {"changed": True, "snapshots": summaries(app)}
    taken = back_up(
        app,
        number,
        params["databases"],
        params["reason"],
        params["by"],
        params["keep"],
        params["keep_days"],
    )
    return {**taken, "changed": True, "snapshots": summaries(app)}


def main() -> None:
    """What the engine runs."""
    run_module(snapshot)
