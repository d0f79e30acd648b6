#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: use_engine
short_description: Set the engine that a host's own programs use
description:
  - The engine is the part of this collection that works on a host, in a folder of its own below
    C(/usr/local/lib/greenroom). A step of another version installs another one beside it.
  - What a host starts by itself, such as the timer of the snapshots, uses the engine that
    C(/usr/local/lib/greenroom/current) leads to. This module sets that link.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options: {}
attributes:
  check_mode:
    support: full
    description: In check mode the link is only looked at.
  diff_mode:
    support: none
    description: The names of engines say nothing to a reader.
"""

EXAMPLES = r"""
- name: Set the engine of the host's own programs
  greenroom.django.use_engine:
"""

RETURN = r""" # """

import os
import sys
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import replace_link
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module

CURRENT = "/usr/local/lib/greenroom/current"


def use_engine(_params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Set the link to the engine that runs this; the result of the module."""
    engine = os.path.basename(sys.path[0])
    changed = not os.path.islink(CURRENT) or os.readlink(CURRENT) != engine
    if changed and not check_mode:
        replace_link(CURRENT, engine)
    return {"changed": changed}


def main() -> None:
    """What the engine runs."""
    run_module(use_engine, in_a_run=False)
