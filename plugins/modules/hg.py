#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: hg
short_description: Fetch a Mercurial repository for an app
description:
  - Brings all that the repository has to the host, as the user who builds the app, and makes no
    working copy of it.
  - What the repository does not have is not kept. That is so for bookmarks that are gone there, for
    a history that was rewritten, for another repository's, and for what somebody has committed on
    the host.
  - It goes the way that is in F(/srv/APP/access), in files of root's.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  repository:
    description: The repository's address. A path in one of ssh is as seen from that user's home,
      and begins with two slashes where it is a whole one.
    type: str
    required: true
  rev:
    description: What is asked for in check mode; the name of a branch, bookmark or tag, a local
      number or a hash.
    type: str
    required: true
  timeout:
    description: How long each step of it may take, in seconds.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: In check mode it asks the repository what O(rev) is, and fetches nothing.
  diff_mode:
    support: none
    description: The fetched repository is a cache.
"""

EXAMPLES = r"""
- name: Fetch with Mercurial
  greenroom.django.hg:
    app: blog
    repository: ssh://hg@hg.example.com/ada/blog
    rev: live
"""

RETURN = r"""
after:
  description: The hash of the changeset that O(rev) is in the repository, in check mode, where
    there is one of that name; otherwise O(rev).
  returned: success
  type: str
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._source_control import fetch


def hg(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Fetch, or ask; the result of the module. Raises GreenroomError."""
    return fetch(App(params["app"]), "hg", params, check_mode)


def main() -> None:
    """What the engine runs."""
    run_module(hg)
