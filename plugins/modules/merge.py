#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: merge
short_description: Merge a branch of a repository into another, and push the result
description:
  - Makes a clone of its own in a temporary folder, merges there with a merge commit, and pushes
    that. No working copy is touched.
  - Runs on the controller, with the access to the repository that its user has there, and needs no
    connection to the host.
  - Fails where the two don't go together, naming the files, and pushes nothing then.
  - Where somebody else pushes meanwhile, it begins again with what is there now, twice at most.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  repository:
    description: The repository's address, as the controller reaches it.
    type: str
    required: true
  branch:
    description: The branch to merge.
    type: str
    required: true
  into:
    description: The branch that gets it.
    type: str
    required: true
  source_control:
    description: What the repository is.
    type: str
    default: git
attributes:
  check_mode:
    support: full
    description: In check mode it merges in its clone, says what it would push, and pushes nothing.
  diff_mode:
    support: none
    description: It says which commits come with the merge.
"""

EXAMPLES = r"""
- name: Merge a finished feature into staging
  run_once: true
  greenroom.django.merge:
    repository: git@git.example.com:ada/blog.git
    branch: feature-x
    into: staging
"""

RETURN = r"""
revision:
  description: The commit that O(into) is at now; in check mode one that is nowhere else.
  returned: success
  type: str
commits:
  description: The commits that came with the merge, newest first, short hash and subject; 20 at
    most.
  returned: success
  type: list
  elements: str
"""
