#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: maintenance
short_description: Close a site while its databases change places, and open it again
description:
  - Closing it has the web server answer 503 with C(Retry-After), and every release of the app end,
    so that nothing writes to the databases any more.
  - The journal notes it, so that a run that dies meanwhile is undone by the next one.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
options:
  state:
    description: V(closed) or V(open).
    type: str
    choices: [closed, open]
    required: true
  release:
    description: The release that is to serve afterwards.
    type: int
    default: 0
  reason:
    description: Why, for those who find the file F(/srv/APP/maintenance).
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: In check mode it says that it would.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Close the site
  greenroom.django.maintenance:
    app: blog
    state: closed
    release: 43
    reason: ada@laptop restores a snapshot
"""

RETURN = r"""
seconds:
  description: How long the site was closed.
  returned: when it was opened, and not in check mode
  type: float
"""

import os
import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    close,
    is_on,
    switch_off,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._recovery import (
    begin_change,
    finish_change,
)
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of


def maintenance(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Close or open; the result of the module. Raises GreenroomError."""
    if check_mode:
        return {"changed": True}
    app = App(params["app"])
    if params["state"] == "closed":
        begin_change(app, params["release"], maintenance=True)
        close(app, service_of(app, params["service_manager"]), params["reason"])
        return {"changed": True}
    seconds = time.time() - os.stat(app.maintenance).st_mtime if is_on(app) else 0.0
    finish_change(app, Journal.read(app.journal))
    switch_off(app)  # also where somebody turned it on by hand
    return {"changed": True, "seconds": round(seconds, 3)}


def main() -> None:
    """What the engine runs."""
    run_module(maintenance)
