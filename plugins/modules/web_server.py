#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: web_server
short_description: Have one web server serve an app, and no other
description:
  - Starts the web server, now and at boot, and waits until it listens on the port.
  - Where another one served the app before, that gives the port back first. It loses the app's
    site, and is stopped and not started at boot any more where it has no other. The requests that
    it has are finished.
  - Where the chosen one does not come up, the one before serves again, and the module fails.
  - The site of the chosen one must be there already, and valid.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  web_server:
    description: What is to serve it.
    type: str
    default: nginx
  port:
    description: The port that it listens on.
    type: int
    default: 80
attributes:
  check_mode:
    support: full
    description: In check mode it says whether anything would be started or moved.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Have Apache serve the blog
  greenroom.django.web_server:
    app: blog
    web_server: apache_proxy
"""

RETURN = r"""
gap:
  description: For how long nobody listened on the port, in seconds.
  returned: success
  type: float
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._web_server.serving import serve


def web_server(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have it serve; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    changed, gap = serve(app, params["web_server"], params["port"], check_mode)
    return {"changed": changed, "gap": round(gap, 3)}


def main() -> None:
    """What the engine runs."""
    run_module(web_server, in_a_run=False)
