#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is

from __future__ import annotations

DOCUMENTATION = r"""
---
module: shared_folder
short_description: Create a folder of an app that the web server reads
description:
  - Creates a folder in the app's folder C(shared/), with a mode by which the web server reads what
    the app writes there.
  - It is done as the app's user, and not as root, since the app can write in C(shared/) and could
    have put a link there.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  path:
    description: The folder, relative to C(shared/).
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: In check mode nothing is created.
  diff_mode:
    support: none
    description: There is no more to it than that it was changed.
"""

EXAMPLES = r"""
- name: Create the folder for uploads
  greenroom.django.shared_folder:
    app: blog
    path: media/
"""

RETURN = r"""
path:
  description: The folder.
  returned: success
  type: str
"""

import grp
import os
import stat
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

# What is written into it belongs to the group too, and so the web server can read it.
MODE = 0o2750


def make_readable(shared: str, path: str, group: str, check_mode: bool) -> bool:
    """As the app: create the folder, with its group and mode; whether anything was to do."""
    number = grp.getgrnam(group).gr_gid
    with Folder.open(shared) as top:
        about = top.look(path)
        if about and not stat.S_ISDIR(about.st_mode):
            raise GreenroomError(
                f"{os.path.join(shared, path)} should be a folder, and is none: remove it."
            )
        if about and (about.st_gid, stat.S_IMODE(about.st_mode)) == (number, MODE):
            return False
        if not check_mode:
            with top.inner(path, make=True) as folder:
                os.fchown(folder.descriptor, -1, number)
                os.fchmod(folder.descriptor, MODE)
    return True


def shared_folder(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Create it; the result of the module. Raises GreenroomError."""
    app, path = App(params["app"]), params["path"].rstrip("/")
    result = {"path": os.path.join(app.shared, path)}
    if check_mode and not os.path.isdir(app.shared):
        return {**result, "changed": True}
    try:
        changed = as_user(app.user, make_readable, app.shared, path, app.web, check_mode)
    except PermissionError as error:
        raise GreenroomError(
            f"{result['path']} belongs to somebody else than {app.user}, or a folder on the way to "
            f"it does: chown -h {app.user} {result['path']}"
        ) from error
    return {**result, "changed": changed}


def main() -> None:
    """What the engine runs."""
    run_module(shared_folder, in_a_run=False)
