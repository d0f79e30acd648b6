#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: find_release
short_description: Find the release that a rollback goes to
description:
  - Without O(rev) it is the release that served before the one on stage, by the journal. Bad ones
    are skipped, and a second rollback goes one further back, never forward again.
  - Refuses a release that is not what it was when it was sealed. Changes nothing.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.source_control
options:
  rev:
    description: The number of a release, or a tag, branch name or commit that was released; with
      Mercurial a bookmark or local number, too. The number of a release wins.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
"""

EXAMPLES = r"""
- name: Find what version 2.1 was released as
  greenroom.django.find_release:
    app: blog
    rev: v2.1
"""

RETURN = r"""
number:
  description: The release.
  returned: success
  type: int
revision:
  description: The full hash of its commit.
  returned: success
  type: str
subject:
  description: The first line of its commit's message.
  returned: success
  type: str
meant:
  description: What O(rev) was taken for, where the source control lets a name be several things;
    else empty.
  returned: success
  type: str
  sample: the bookmark spring
direction:
  description: Where it is from the release on stage.
  returned: success
  type: str
  sample: back
needed:
  description: Whether another release is on stage now.
  returned: success
  type: bool
"""

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Entry, Journal
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._seal import refuse_changed
from ansible_collections.greenroom.django.plugins.module_utils._source_control import (
    Source,
    source_of,
)


def choose(journal: Journal, serving: int | None, rev: str, source: Source) -> Entry:
    """The entry of the release that ``rev`` means, or of the one before. Raises GreenroomError.

    A number is that of a release first, where there is one.
    """
    kept = journal.on_disk()
    listed = ", ".join(f"{e['number']} ({e['revision'][:7]})" for e in kept) or "none"
    if not rev:
        before = journal.before(serving)
        if before is None:
            raise GreenroomError(
                f"There is no release to go back to from {serving or 'an empty stage'}. "
                f"Releases on this host: {listed}."
            )
        return journal.get(before)
    if rev.isdigit():
        by_number = next((e for e in kept if e["number"] == int(rev)), None)
        if by_number is not None:
            return by_number
        was_one = any(e["number"] == int(rev) for e in journal.entries)
        # Shorter than what anybody calls a commit.
        if len(rev) < 7 and (was_one or not source.counts):
            raise GreenroomError(
                f"rev is {rev}: there is no release {rev} to go to. There are: {listed}."
            )
    by_name = [e for e in kept if means(e, rev)] or [
        e for e in kept if e["revision"] == resolved(source, rev)
    ]
    if not by_name:
        raise GreenroomError(
            f"rev is {rev!r}: that is no number, tag or commit of a release on this host. "
            f"There are: {listed}."
        )
    return by_name[0]  # of two releases of one revision, the newer


def means(entry: Entry, rev: str) -> bool:
    """Whether the journal says that ``rev`` names this release: by its tags or its commit."""
    return rev in entry.get("tags", []) or (
        len(rev) >= 7 and entry["revision"].startswith(rev.lower())
    )


def resolved(source: Source, rev: str) -> str | None:
    """What the fetched repository knows ``rev`` as, such as a tag made after the release."""
    try:
        return source.resolve(rev) if source.is_fetched() else None
    except GreenroomError:
        return None


def meant(entry: Entry, rev: str, source: Source) -> str:
    """What ``rev`` was taken for, where it could be several things; else nothing."""
    if rev != str(entry["number"]):
        return source.meaning(rev)
    other = source.counts and resolved(source, rev)
    return f"by its own number, not the changeset {rev}:{other[:12]}" if other else ""


def find_release(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Find it, and see that it is what it was; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    journal, serving = Journal.read(app.journal), app.serving()
    rev, source = params["rev"], source_of(app, params["source_control"])
    entry = choose(journal, serving, rev, source)
    if entry["number"] != serving:
        refuse_changed(app, entry["number"])
    direction = "back" if serving is None or entry["number"] < serving else "forward"
    return {
        "changed": False,
        "number": entry["number"],
        "revision": entry["revision"],
        "subject": entry.get("subject", ""),
        "meant": meant(entry, rev, source) if rev else "",
        "direction": direction,
        "needed": entry["number"] != serving,
    }


def main() -> None:
    """What the engine runs."""
    run_module(find_release)
