#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: show
short_description: Show text to the person at the terminal, as it is
description:
  - Prints a text on the controller without quoting it, whatever the output's format is set to.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  text:
    description: The text.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: It changes nothing.
  diff_mode:
    support: none
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Show the current release
  greenroom.django.show:
    text: Release 43 serves.
"""

RETURN = r""" # """
