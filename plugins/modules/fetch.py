#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: fetch
short_description: Fetch an app's repository
description:
  - Brings all that the repository has to the host, as the user who builds the app, and makes no
    working copy of it.
  - What the repository does not have is not kept. That is so for branches and bookmarks that are
    gone there, for a history that was rewritten, for another repository's, and for what somebody
    has committed on the host.
  - It goes the way that is in F(/srv/APP/access), in files of root's.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.source_control
options:
  repository:
    description: The repository's address, or its path on the host. With Mercurial, a path in an
      address of ssh is as seen from that user's home, and begins with two slashes where it is a
      whole one.
    type: str
    required: true
  rev:
    description: What is asked for in check mode; the name of a branch, bookmark or tag, a local
      number of Mercurial's, or a hash.
    type: str
    required: true
  timeout:
    description: How long it may take, in seconds; with Mercurial, each step of it.
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
- name: Fetch the repository
  greenroom.django.fetch:
    app: blog
    source_control: git
    repository: git@git.example.com:ada/blog.git
    rev: live
"""

RETURN = r"""
after:
  description: The hash of the commit that O(rev) is in the repository, in check mode, where there
    is one of that name; otherwise O(rev).
  returned: success
  type: str
"""

import os
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import (
    GreenroomError,
    TimeLimitError,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import source_sandbox
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES


def fetch(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Fetch, or ask; the result of the module. Raises GreenroomError."""
    app, repository = App(params["app"]), params["repository"]
    kind = _registry.get(SOURCES, "source_control", params["source_control"])
    source = kind(os.path.join(app.build, kind.folder), source_sandbox(app, repository))
    after = params["rev"]
    try:
        if check_mode:
            after = source.ask(repository, after, params["timeout"])
        else:
            source.fetch(repository, params["timeout"])
    except TimeLimitError as error:
        raise GreenroomError(
            f"{repository} was not fetched within {params['timeout']} seconds "
            "(checkout_timeout). Is it reached from this host, and answers it? A big repository, "
            "or a slow line, needs a longer checkout_timeout."
        ) from error
    return {"changed": False, "after": after}


def main() -> None:
    """What the engine runs."""
    run_module(fetch)
