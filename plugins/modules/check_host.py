#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_host
short_description: Check that a host can take an app, before anything on it is changed
description:
  - Refuses a host that is neither Debian nor Ubuntu, or that runs another service manager.
  - Refuses a name that the host uses for something else, such as C(root) or C(nginx). Otherwise a user
    or a folder that is not Greenroom's would be changed.
  - All that is wrong is said at once.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  app:
    description: The name of the app.
    type: str
    required: true
  service_manager:
    description: What is to keep the app's releases running.
    type: str
    choices: [systemd]
    default: systemd
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
"""

import os
import pwd
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._host import check_host as check_kind
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module

OPTIONS = {
    "app": {"type": "str", "required": True},
    "service_manager": {"type": "str", "choices": ["systemd"], "default": "systemd"},
}


def check_name(app: App) -> bool:
    """Whether the app was prepared here before. Raises GreenroomError when somebody else has its name."""
    if os.path.isdir(app.releases):
        return True
    taken = [path for path in (app.etc, app.home) if os.path.lexists(path)]
    for user in (app.user, app.builder):
        try:
            if not pwd.getpwnam(user).pw_dir.startswith(f"{app.home}/"):
                taken.append(f"the user {user}")
        except KeyError:
            continue
    if taken:
        raise GreenroomError(
            f"app_name is {app.name!r}, which this host uses for something else: {', '.join(taken)}. "
            "Choose another name."
        )
    return False


def check_host(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look; the result of the module. Raises GreenroomError."""
    check_kind(params["service_manager"])
    return {"changed": False, "prepared": check_name(App(params["app"]))}


def main() -> None:
    run_module(OPTIONS, check_host)


if __name__ == "__main__":
    main()
