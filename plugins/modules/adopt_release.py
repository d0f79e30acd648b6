#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: adopt_release
short_description: Start a release under a service manager that the web server ran itself
description:
  - Where the web server runs the app, as Apache does by mod_wsgi, and is to do so no longer, the
    current release is started under the service manager, and comes up at boot there. From then on
    the web server connects to its socket, and the web server's own processes finish their requests
    and end.
  - The configuration of the web server stays as it is. The role web_server changes it afterwards.
  - Where the web server does not run the app, nothing is done.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
attributes:
  check_mode:
    support: full
    description: In check mode it says whether there is a release to adopt.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Start the blog under systemd, and no longer in Apache
  greenroom.django.adopt_release:
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
from ansible_collections.greenroom.django.plugins.module_utils._service import (
    MANAGERS,
    previous_managers,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.migrating import (
    STOP_TIMEOUT,
)


def adopt_release(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Adopt the release, and uninstall the app from the web server; the result of the module.

    Raises GreenroomError.
    """
    app, name = App(params["app"]), params["service_manager"]
    service = _registry.get(MANAGERS, "service_manager", name)(app)
    web_servers = [each for each in previous_managers(app, name) if each.runs_in_web_server]
    if not web_servers or service.runs_in_web_server:
        return {"changed": False, "release": 0}
    number, adopted = app.serving() or 0, 0
    for previous in web_servers:
        # Enabled is enough: the web server may be down, which is a reason to leave it.
        if number in (*previous.running(), *previous.enabled()):
            adopted = number
    if not check_mode:
        if adopted:
            service.start(adopted)
            service.enable(adopted)
        deadline = time.monotonic() + STOP_TIMEOUT
        for previous in web_servers:
            previous.uninstall()
            while previous.running() and time.monotonic() < deadline:
                time.sleep(0.1)
    return {"changed": True, "release": adopted}


def main() -> None:
    """What the engine runs."""
    run_module(adopt_release, in_a_run=False)
