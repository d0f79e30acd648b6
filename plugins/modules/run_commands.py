#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: run_commands
short_description: Run the app's own build commands in a release's tree
description:
  - Runs commands such as C(npm ci) one after the other as the app's build user, in the folder of
    manage.py, with the release's environment, its virtualenv and C(node_modules/.bin) first on the
    PATH.
  - There is no shell. A command is split into words as a shell would, and that is all.
  - A command writes to the release and to the build user's home, and to nothing else. What it
    started ends with it.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  release:
    description: The number of the release. It must have its virtualenv.
    type: int
    required: true
  commands:
    description: The commands.
    type: list
    elements: str
    required: true
  timeout:
    description: How long each command may take, in seconds.
    type: int
    default: 3600
  memory_max:
    description: The memory that a command may use, with all that it starts, as in C(MemoryMax) of
      systemd. Without systemd there is no limit.
    type: str
    default: 80%
attributes:
  check_mode:
    support: full
    description: In check mode nothing is run.
  diff_mode:
    support: none
    description: What a command changes is not known.
"""

EXAMPLES = r"""
- name: Build the front end of release 43
  greenroom.django.run_commands:
    app: blog
    release: 43
    commands:
      - npm ci
      - npm run build
"""

RETURN = r"""
outputs:
  description: The last lines that each command wrote to its standard output.
  returned: when not in check mode
  type: list
  elements: str
"""

import os
import shlex
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import (
    CERTIFICATES,
    PATH,
    must_run,
    tail,
)
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    read_manifest,
    variables_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._local_settings import (
    lent_to_builder,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._source_control import (
    access_for_build,
    build_sandbox,
)


def run_commands(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Run them in their order; the result of the module.

    Raises GreenroomError at the first that fails.
    """
    if check_mode:
        return {"changed": True}
    app, number = App(params["app"]), params["release"]
    tree = app.release(number)
    manifest, variables = read_manifest(app, number), variables_of(app, number)
    folder = os.path.normpath(os.path.join(tree, manifest["directory"]))
    tools = [os.path.join(tree, ".venv", "bin"), os.path.join(folder, "node_modules", ".bin")]
    environment = {
        # The tools of Node have lists of certificate authorities of their own.
        "NODE_EXTRA_CA_CERTS": CERTIFICATES,
        **access_for_build(app),
        **variables,
        "DJANGO_SETTINGS_MODULE": manifest["settings_module"],
        "PATH": ":".join([*tools, variables.get("PATH", PATH)]),
        # What Python would keep of the local settings is not for the build user to keep.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    sandbox = build_sandbox(app, tree).with_memory(params["memory_max"])
    outputs = []
    with lent_to_builder(app, number, manifest.get("local_settings", "")):
        for command in params["commands"]:
            output = must_run(
                f"The command {command!r}",
                shlex.split(command),
                user=sandbox,
                cwd=folder,
                environment=environment,
                timeout=params["timeout"],
            )
            outputs.append(tail(output))
    return {"changed": True, "outputs": outputs}


def main() -> None:
    """What the engine runs."""
    run_module(run_commands)
