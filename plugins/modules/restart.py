#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: restart
short_description: Restart the releases of an app that run
description:
  - For what a release reads at its start alone, such as the address of its database. Each drains
    and finishes its requests first, and visitors wait or get a 503 page until it is back.
  - Nothing that does not run is started.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
attributes:
  check_mode:
    support: full
    description: In check mode nothing is restarted.
  diff_mode:
    support: none
    description: A restart is no lasting state.
"""

EXAMPLES = r"""
- name: Restart the current release with the new password
  greenroom.django.restart:
    app: blog
"""

RETURN = r"""
restarted:
  description: The releases that ran.
  returned: success
  type: list
  elements: int
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of


def restart(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restart what runs; the result of the module. Raises GreenroomError."""
    service = service_of(App(params["app"]), params["service_manager"])
    running = service.running()
    if running and not check_mode:
        service.restart()
    return {"changed": bool(running), "restarted": running}


def main() -> None:
    """What the engine runs."""
    run_module(restart, in_a_run=False)
