#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: record_tests
short_description: Record how the functional tests of a release ended
description:
  - Writes it into the journal, in the place of what was known of earlier ones.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  release:
    description: The number of the release that they were run against.
    type: int
    required: true
  by:
    description: Who ran them.
    type: str
    required: true
  result:
    description: How they ended.
    type: str
    choices: [passed, failed]
    required: true
  command:
    description: What was run.
    type: str
    required: true
  at:
    description: When, in Unix seconds.
    type: int
    required: true
attributes:
  check_mode:
    support: full
    description: In check mode nothing is written.
  diff_mode:
    support: none
    description: It adds a fact to the journal.
"""

EXAMPLES = r"""
- name: Record that they passed
  greenroom.django.record_tests:
    app: blog
    release: 43
    by: ada@laptop
    result: passed
    command: pytest functional_tests
    at: 1795302120
"""

RETURN = r""" # """

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module


def record_tests(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write it down; the result of the module. Raises GreenroomError."""
    if check_mode:
        return {"changed": True}
    journal = Journal.read(App(params["app"]).journal)
    tests = {name: params[name] for name in ("result", "by", "at", "command")}
    journal.get(params["release"])["tests"] = tests
    journal.write()
    return {"changed": True}


def main() -> None:
    """What the engine runs."""
    run_module(record_tests)
