#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: functional_tests
short_description: Run an app's own tests against a site, from the controller
description:
  - Makes a clone of the repository in a temporary folder, and runs a command in there, in the tree
    of the revision that serves. What it prints is shown as it comes.
  - Runs on the controller, with the access to the repository that its user has there, and needs no
    connection to the host.
  - The command has the site's address in E(BASE_URL) and E(PYTEST_BASE_URL), and without its scheme
    in E(STAGING_SERVER) and E(TEST_SERVER).
  - Tests that fail are a result, and no failure of this module. It fails where they cannot be run.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  command:
    description: The command, split into words as a shell does, and run without one. Its program is
      one of the controller's, or a file of the tree.
    type: str
    required: true
  repository:
    description: The repository's address, as the controller reaches it.
    type: str
    required: true
  revision:
    description: The revision that serves.
    type: str
    required: true
  url:
    description: The site's address, without a slash at its end.
    type: str
    required: true
  timeout:
    description: How long they may take, in seconds. Then they are killed, and have failed.
    type: int
    default: 1800
  source_control:
    description: What the repository is.
    type: str
    default: git
attributes:
  check_mode:
    support: full
    description: In check mode it says what it would run.
  diff_mode:
    support: none
    description: It changes nothing.
"""

EXAMPLES = r"""
- name: Run the tests of the revision that serves
  run_once: true
  greenroom.django.functional_tests:
    command: pytest functional_tests
    repository: git@git.example.com:ada/blog.git
    revision: 4f2a9c0d7be1c1a8d4a0d5a6c2a3b1e09f8d7c6b
    url: https://staging.example.com
"""

RETURN = r"""
result:
  description: V(passed), where the command ended with 0, or V(failed).
  returned: when not in check mode
  type: str
how:
  description: How it ended, in words.
  returned: when not in check mode
  type: str
  sample: ended with 1 after 12 s
at:
  description: When it was started, in Unix seconds.
  returned: when not in check mode
  type: int
command:
  description: The command.
  returned: when not in check mode
  type: str
"""
