#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_host
short_description: Check that a host can take an app, before anything on it is changed
description:
  - Refuses a host that is neither Debian nor Ubuntu, or that runs another service manager.
  - Refuses a name that the host uses for something else, such as C(root), C(nginx) or C(getty).
    Otherwise a user, a group, a folder or a service that is not Greenroom's would be changed.
  - All that is wrong is said at once.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
options:
  web_server:
    description: What is to serve the app.
    type: str
    default: nginx
  port:
    description: The port that it is to listen on. It must be free, or the web server's, or that of
      the one that served the app before.
    type: int
    default: 80
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: It only looks.
"""

EXAMPLES = r"""
- name: Check that this host can take the blog
  greenroom.django.check_host:
    app: blog
"""

RETURN = r"""
prepared:
  description: Whether the app has been here before.
  returned: success
  type: bool
rehearsable:
  description: Whether a dry run of C(site.yml) can go on, which needs python3-apt on the host.
  returned: success
  type: bool
"""

import grp
import importlib.util
import os
import pwd
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._host import check_host as check_kind
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS
from ansible_collections.greenroom.django.plugins.module_utils._web_server import WEB_SERVERS
from ansible_collections.greenroom.django.plugins.module_utils._web_server.port import check_port


def check_name(app: App, hidden: list[str]) -> bool:
    """Whether the app was prepared here before; ``hidden`` is what its service would hide.

    Raises GreenroomError when somebody else has its name.
    """
    if os.path.isdir(app.releases):
        return True
    homes = {entry.pw_name: entry.pw_dir for entry in pwd.getpwall()}
    taken = [
        f"the user {user}"
        for user in (app.user, app.builder, app.web)
        if not homes.get(user, f"{app.home}/").startswith(f"{app.home}/")
    ]
    groups = {entry.gr_name for entry in grp.getgrall()}
    # That group is the first thing of ours on a host. With it, the rest is of a run that ended
    # early.
    if app.web not in groups:
        taken += [f"the group {group}" for group in (app.user, app.builder) if group in groups]
        taken += [path for path in (app.etc, app.home, app.run) if os.path.lexists(path)]
        taken += hidden
    # On a bare host there is no such service yet.
    if app.name in {server.service for server in WEB_SERVERS.values()}:
        taken.append(f"{app.name}, which site.yml installs")
    if taken:
        raise GreenroomError(
            f"app_name is {app.name!r}, which this host uses for something else: "
            f"{', '.join(taken)}. Choose another name."
        )
    return False


def check_host(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Look; the result of the module. Raises GreenroomError."""
    check_kind(params["service_manager"])
    app = App(params["app"])
    # Also those of the other managers: what is theirs is taken for the app's, one day, and removed.
    hidden = {path for kind in MANAGERS.values() for path in kind(app).conflicting_files()}
    prepared = check_name(app, sorted(hidden))
    check_port(app, params["web_server"], params["port"])
    return {
        "changed": False,
        "prepared": prepared,
        "rehearsable": importlib.util.find_spec("apt") is not None,
    }


def main() -> None:
    """What the engine runs."""
    run_module(check_host, in_a_run=False)
