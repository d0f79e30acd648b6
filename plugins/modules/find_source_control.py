#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: find_source_control
short_description: Find out what kind of repository is at an address
description:
  - Is asked when a repository could not be fetched, so that the failure can say so where it is one
    of another kind.
  - Needs none of the source controls' programs on the host. It looks at a path, asks a web server,
    or runs a command of the source control over ssh, as the user who builds the app.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  repository:
    description: The repository's address.
    type: str
    required: true
  user:
    description: The user name that goes with the token.
    type: str
    default: ""
  token:
    description: The access token for a repository over https.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: It only asks.
  diff_mode:
    support: none
    description: It only asks.
"""

EXAMPLES = r"""
- name: See what it is
  greenroom.django.find_source_control:
    app: blog
    repository: https://hg.example.com/ada/blog
"""

RETURN = r"""
source_control:
  description: What the repository is, as the setting C(app_source_control) has it; empty where that
    cannot be known.
  returned: success
  type: str
  sample: hg
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import source_sandbox
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES

SECRET_OPTIONS = ("token",)


def find_source_control(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask; the result of the module."""
    app, token = App(params["app"]), params["token"]
    login = f"{params['user']}:{token}" if token else ""
    asking = source_sandbox(app, params["repository"])
    found = [
        name
        for name, source in SOURCES.items()
        if source.probe.is_at(params["repository"], asking, login)
    ]
    return {"changed": False, "source_control": found[0] if found else ""}


def main() -> None:
    """What the engine runs."""
    run_module(find_source_control)
