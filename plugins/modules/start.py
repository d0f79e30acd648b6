#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: start
short_description: Start a release in the green room, and have it prove itself
description:
  - Starts the service of a release, and asks it for its health page on its own socket, as a visitor
    would that came by https. Nobody else can reach it yet.
  - Waits for the first answer until the time is up. An answer with another status is asked for
    twice more, a second apart, and then is a failure; so is a redirect that is not the expected
    status.
  - Then it asks there for the pages that are listed, as the web server would.
  - A failure says what came, and shows the last lines of the release's own log.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
  - greenroom.django.step.health
options:
  release:
    description: The number of the release.
    type: int
    required: true
  timeout:
    description: How long the release may take until it answers, in seconds.
    type: int
    default: 30
  pages:
    description:
      - Pages that it must answer as well, as M(greenroom.django.smoke_test) has them, each with a
        path.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
    description: In check mode nothing is started or asked.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Have release 43 prove itself
  greenroom.django.start:
    app: blog
    release: 43
    host: www.example.com
    path: /health/
"""

RETURN = r"""
status:
  description: The HTTP status that it answered.
  returned: when not in check mode
  type: int
seconds:
  description: From the start of the service to the good answer, in seconds.
  returned: when not in check mode
  type: float
"""

import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._prove import start_and_prove
from ansible_collections.greenroom.django.plugins.module_utils._recovery import begin_change
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of


def start(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Start, ask, judge; the result of the module. Raises GreenroomError."""
    number = params["release"]
    app = App(params["app"])
    service = service_of(app, params["service_manager"])
    running = service.is_active(number)
    if check_mode:
        return {"changed": not running}
    begin_change(app, number)  # so that the next run stops it, if this one is interrupted
    started = time.monotonic()
    answer = start_and_prove(
        service,
        number,
        params["host"],
        params["path"],
        params["status"],
        params["timeout"],
        params["pages"],
    )
    return {
        "changed": not running,
        "status": answer.status,
        "seconds": round(time.monotonic() - started, 3),
    }


def main() -> None:
    """What the engine runs."""
    run_module(start)
