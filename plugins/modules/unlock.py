#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: unlock
short_description: Give the lock of an app back
description:
  - For a run that found nothing to do. Others give it back with M(greenroom.django.record) or
    M(greenroom.django.revert).
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  holder:
    description: The token that M(greenroom.django.lock) took it with. Another's lock is left
      alone.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: In check mode it does nothing.
  diff_mode:
    support: none
    description: A lock is no lasting state.
"""

EXAMPLES = r"""
- name: Unlock the host
  greenroom.django.unlock:
    app: blog
    holder: "{{ begun.token }}"
"""

RETURN = r"""
held:
  description: Whether the token held the lock.
  returned: success
  type: bool
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module


def unlock(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Unlock; the result of the module.

    The lock is no lasting state, so this never counts as a change.
    """
    held = False if check_mode else Lock(App(params["app"]).lock).release(params["holder"])
    return {"changed": False, "held": held}


def main() -> None:
    """What the engine runs."""
    run_module(unlock)
