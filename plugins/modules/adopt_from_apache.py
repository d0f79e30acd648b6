#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: adopt_from_apache
short_description: Have a service manager run the releases that Apache ran itself
description:
  - Where Apache runs the app by mod_wsgi and is to do so no longer, the release on stage is started
    under the service manager, and comes up at boot there. From then on Apache asks for its socket,
    as any web server does, and the processes that it had finish what they are at and end.
  - Nothing of that is Apache's configuration. The role web_server changes it afterwards.
  - Where Apache does not run the app, nothing is done.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
attributes:
  check_mode:
    support: full
    description: In check mode it says whether there is anything to take over.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Have systemd run the blog, and no longer Apache
  greenroom.django.adopt_from_apache:
    app: blog
"""

RETURN = r"""
release:
  description: The release that was started, 0 where none was.
  returned: success
  type: int
"""

import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._service import ENDING, MANAGERS
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import ModWsgi


def adopt_from_apache(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Take over, and have Apache forget it; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    service = _registry.get(MANAGERS, "service_manager", params["service_manager"])(app)
    in_apache = ModWsgi(app)
    if not in_apache.is_prepared():
        return {"changed": False, "release": 0}
    number = app.serving() or 0
    # Enabled is enough: Apache may be down, which is a reason to leave it.
    taken = number if number in (*in_apache.running(), *in_apache.enabled()) else 0
    if not check_mode:
        if taken:
            service.start(taken)
            service.enable(taken)
        in_apache.forget()
        deadline = time.monotonic() + ENDING
        while in_apache.running() and time.monotonic() < deadline:
            time.sleep(0.1)
    return {"changed": True, "release": taken}


def main() -> None:
    """What the engine runs."""
    run_module(adopt_from_apache, in_a_run=False)
