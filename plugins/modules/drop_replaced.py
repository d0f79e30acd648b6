#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: drop_replaced
short_description: Remove the databases that restores replaced
description:
  - M(greenroom.django.restore) keeps the database that it replaces, beside the one that took its
    place. This removes all that it kept. The snapshots stay.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.databases
attributes:
  check_mode:
    support: full
    description: In check mode it says what it would remove.
  diff_mode:
    support: none
    description: What it removes is in its result.
"""

EXAMPLES = r"""
- name: Remove what the last restore replaced
  greenroom.django.drop_replaced:
    app: blog
"""

RETURN = r"""
dropped:
  description: The names of the databases, or the paths of the files.
  returned: success
  type: list
  elements: str
  sample: [/srv/blog/shared/db.sqlite3_before_20261121t150312z]
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import (
    databases_in_use,
    serving_release,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module


def drop_replaced(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Remove them; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    dropped = []
    databases = databases_in_use(app, serving_release(app), params["databases"])
    for database in databases.values():
        for name in database.replaced():
            if not check_mode:
                database.drop(name)
            dropped.append(name)
    return {"changed": bool(dropped), "dropped": dropped}


def main() -> None:
    """What the engine runs."""
    run_module(drop_replaced)
