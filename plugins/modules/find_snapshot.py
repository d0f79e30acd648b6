#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: find_snapshot
short_description: Find a snapshot of an app's databases that can be carried to another host
description:
  - Finds the newest snapshot, or the one that is named, and compares all of it with its checksums.
  - It takes no lock, since a snapshot never changes once it has its name.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  snapshot:
    description: The name of the snapshot; empty for the newest one.
    type: str
    default: ""
  environment:
    description: The environment that this host is in. On V(live), a snapshot of staging is refused.
    type: str
    choices: ["", staging, live]
    default: ""
attributes:
  check_mode:
    support: full
    description: It changes nothing in either mode.
  diff_mode:
    support: none
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Find the newest snapshot of live
  greenroom.django.find_snapshot:
    app: blog
"""

RETURN = r"""
name:
  description: The snapshot's name.
  returned: success
  type: str
  sample: 42-20261121T150312Z
path:
  description: Its folder, which only root can read.
  returned: success
  type: str
age:
  description: How many seconds ago it was taken.
  returned: success
  type: int
databases:
  description: By the databases' names in the settings, their C(engine), C(size) in bytes, and the
    C(migrations) that were applied.
  returned: success
  type: dict
"""

import os
import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._snapshot import (
    check,
    find,
    newest,
    refuse_of_another_environment,
    refuse_without_rsync,
)


def find_snapshot(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Find and check it; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    refuse_without_rsync()
    snapshot = find(app, params["snapshot"] or newest(app))
    refuse_of_another_environment(snapshot, params["environment"])
    check(app, snapshot)
    return {
        "changed": False,
        "name": snapshot["name"],
        "path": os.path.join(app.backups, snapshot["name"]),
        "age": int(time.time() - snapshot["taken"]),
        "databases": {
            alias: {key: about[key] for key in ("engine", "size", "migrations")}
            for alias, about in snapshot["databases"].items()
        },
    }


def main() -> None:
    """What the engine runs."""
    run_module(find_snapshot, in_a_run=False)
