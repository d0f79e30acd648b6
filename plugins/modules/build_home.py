#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is

from __future__ import annotations

DOCUMENTATION = r"""
---
module: build_home
short_description: Write what an app's build user has in its home
description:
  - Writes files into the home of the user that fetches and builds, and makes the deploy key that is
    C(.ssh/deploy_key) there, where it has none.
  - It is done as that user, and not as root, since what is built could have put a link there.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  app:
    description: The name of the app.
    type: str
    required: true
  files:
    description: The content of each file, by its path in the home. Only the build user can read it.
    type: dict
    default: {}
  comment:
    description: What the deploy key is called. Without it none is made.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: In check mode nothing is written.
  diff_mode:
    support: none
    description: There are secrets among the files.
"""

EXAMPLES = r"""
- name: Make the deploy key
  greenroom.django.build_home:
    app: blog
    comment: blog@www.example.com
"""

RETURN = r"""
public_key:
  description: The public half of the deploy key; empty where there is none.
  returned: success
  type: str
"""

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._command import must_run
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

OPTIONS = {
    "app": {"type": "str", "required": True},
    "files": {"type": "dict", "default": {}, "no_log": True},
    "comment": {"type": "str", "default": ""},
}

KEY = ".ssh/deploy_key"


def write_files(home: str, files: Mapping[str, str], check_mode: bool) -> bool:
    """As the build user: write what is not so already; whether anything was to do."""
    changed = False
    with Folder.open(home) as folder:
        for path, content in files.items():
            if read(folder, path) == content:
                continue
            changed = True
            if not check_mode:
                with folder.inner(os.path.dirname(path), make=True) as parent:
                    parent.write(os.path.basename(path), content, 0o600, -1, -1)
    return changed


def read_public_key(home: str) -> str | None:
    """As the build user: the public half of the key; None where one of its halves is missing."""
    with Folder.open(home) as folder:
        return read(folder, f"{KEY}.pub") if folder.exists(KEY) else None


def read(folder: Folder, path: str) -> str | None:
    """The text of a file; None where there is none."""
    try:
        return folder.read(path, limit=2**20)
    except FileNotFoundError:
        return None


def build_home(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write and make; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    if check_mode and not os.path.isdir(app.build):
        return {"changed": True, "public_key": ""}
    try:
        changed = bool(as_user(app.builder, write_files, app.build, params["files"], check_mode))
        public_key = as_user(app.builder, read_public_key, app.build)
    except PermissionError as error:
        raise GreenroomError(
            f"{error.filename} in {app.build} belongs to somebody else than {app.builder}. "
            "Remove it, and run site.yml."
        ) from error
    if public_key is None and params["comment"]:
        changed = True
        if not check_mode:
            public_key = make_key(app, params["comment"])
    return {"changed": changed, "public_key": (public_key or "").strip()}


def make_key(app: App, comment: str) -> str:
    """Make a key, in place of one that is not whole; its public half."""
    path = os.path.join(app.build, KEY)
    as_user(app.builder, _make_room, app.build)
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path]
    must_run("Making the deploy key", argv, user=app.builder, umask=0o077)
    return str(as_user(app.builder, read_public_key, app.build))


def _make_room(home: str) -> None:
    with Folder.open(home) as folder, folder.inner(".ssh", make=True) as ssh:
        for name in ("deploy_key", "deploy_key.pub"):
            ssh.remove(name)


def main() -> None:
    """What Ansible runs."""
    run_module(OPTIONS, build_home, in_a_run=False)


if __name__ == "__main__":
    main()
