#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_program
short_description: Install the program that takes snapshots without a controller
description:
  - Writes one file for Python to run, which does what M(greenroom.django.snapshot) does. It is made
    of that module's own code, so the two cannot differ.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  path:
    description: Where to put it.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: In check mode it says whether the file would change.
  diff_mode:
    support: none
    description: The file is an archive.
"""

EXAMPLES = r"""
- name: Install the program that takes snapshots of the blog
  greenroom.django.backup_program:
    path: /srv/blog/backup.pyz
"""

RETURN = r""" # """

import inspect
import io
import os
import sys
import zipfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenroom.django.plugins.module_utils import (
    _backup_program,
    _django_process,  # noqa: F401 - imported by the program only when it starts Django
)

OPTIONS = {"path": {"type": "path", "required": True}}

OURS = "ansible_collections.greenroom.django.plugins.module_utils."
MAIN = f"import sys\nfrom {_backup_program.__name__} import main\nsys.exit(main())\n"


def archive() -> bytes:
    """The program: all of ours that was imported for it, and what starts it.

    The same code gives the same bytes, whenever it is packed.
    """
    folders = OURS.rstrip(".").split(".")
    files = {f"{'/'.join(folders[: n + 1])}/__init__.py": "" for n in range(len(folders))}
    files["__main__.py"] = MAIN
    for name, module in sorted(sys.modules.items()):
        if name.startswith(OURS):
            end = "/__init__.py" if hasattr(module, "__path__") else ".py"
            files[name.replace(".", "/") + end] = inspect.getsource(module)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as together:
        for name, text in files.items():
            together.writestr(zipfile.ZipInfo(name), text)
    return packed.getvalue()


def install(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write it where it differs; the result of the module."""
    path, wanted = params["path"], archive()
    try:
        with open(path, "rb") as file:
            there: bytes | None = file.read()
    except FileNotFoundError:
        there = None
    if there == wanted or check_mode:
        return {"changed": there != wanted}
    beside = f"{path}.new"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(wanted)
    os.replace(beside, path)
    return {"changed": True}


def main() -> None:
    """What Ansible runs."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        module.exit_json(**install(module.params, module.check_mode))
    except OSError as error:
        module.fail_json(msg=f"The program could not be installed: {error}")


if __name__ == "__main__":
    main()
