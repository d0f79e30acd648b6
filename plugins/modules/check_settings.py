#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: check_settings
short_description: Check the settings of all roles at once, before anything is changed
description:
  - Looks at the variables of the collection's roles, by their argument specs and by rules that a
    spec cannot say, and fails with one message that names each that is wrong, what it is, and what
    it should be.
  - Runs on the controller, and needs no connection to the host.
  - Values of C(app_env) and of options with C(no_log) are secrets, and never in the message.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options: {}
attributes:
  check_mode:
    support: full
    description: It only looks.
  diff_mode:
    support: none
    description: It only looks.
"""

EXAMPLES = r"""
- name: Check the settings
  greenroom.django.check_settings:
"""

RETURN = r""" # """
