#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: status
short_description: Tell what serves on a host, how it is, and what can be gone back to
description:
  - Reads the journal and asks the release on stage for its health page. Changes nothing.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
  - greenroom.django.step.databases
  - greenroom.django.step.health
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
"""

EXAMPLES = r"""
- name: Ask how the blog is
  greenroom.django.status:
    app: blog
    host: www.example.com
    path: /health/
  register: blog
"""

RETURN = r"""
serving:
  description: The number of the release on stage, 0 where there is none.
  returned: success
  type: int
database:
  description: How the databases differ from what the release that serves was written for, in a
    sentence; empty where they don't.
  returned: success
  type: str
health:
  description: V(healthy), or what came instead.
  returned: success
  type: str
  sample: 500 Internal Server Error
pending:
  description:
    - The change that a run has begun and not ended, and which releases run or come up at boot
      beside the current one; empty if there is none. Unless that run still works, the next one
      finishes or undoes the change.
  returned: success
  type: str
  sample: "a handover to release 43 is pending; beside it: release 42"
locked:
  description: Who deploys, rolls back, backs up or restores now; empty where nobody is.
  returned: success
  type: str
releases:
  description:
    - Those on disk and the newest failure, newest first. Each has C(number), C(revision),
      C(subject), C(by), C(result), C(age) (seconds since it was made), C(back) (whether a
      rollback can go there), and where they are known C(tests) (how its functional tests ended)
      and C(gate) (who opened it).
  returned: success
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import ask
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    migrations_of,
    names,
    run_migrations,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._recovery import pending_in_words
from ansible_collections.greenroom.django.plugins.module_utils._service import Service, service_of


def health(service: Service, serving: int | None, params: dict[str, Any]) -> str:
    """How the release on stage is, in a few words."""
    if serving is None:
        return "nothing serves"
    try:
        place = service.green_room(serving)
    except GreenroomError as error:
        return str(error)
    answer = ask(params["path"], params["host"], green_room=place, timeout=5)
    if answer.status == params["status"]:
        return "healthy"
    return f"{answer}; its service is {service.state(serving)}"


def database(app: App, serving: int | None, databases: list[str]) -> str:
    """Whether the databases have other migrations than the release on stage, in a sentence."""
    if serving is None or migrations_of(app, serving) is None:
        return ""
    try:
        found = run_migrations(app, serving, "plan", databases, timeout=60)
    except GreenroomError as error:
        return f"the database cannot be looked at: {str(error).strip().splitlines()[-1]}"
    theirs = set(migrations_of(app, serving) or ())  # with those that a squashed one replaced
    missing = [n for each in found.values() for n in each["missing"] if n not in theirs]
    waiting = [name for each in found.values() for name in names(each["waiting"])]
    said = []
    if missing:
        said.append(f"the database is ahead of it by {', '.join(dict.fromkeys(missing))}")
    if waiting:
        said.append(f"the database lacks {', '.join(dict.fromkeys(waiting))}")
    return "; ".join(said)


def status(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Look; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    journal, serving, now = Journal.read(app.journal), app.serving(), time.time()
    service = service_of(app, params["service_manager"])
    shown = [entry for entry in journal.entries if not entry.get("pruned")]
    back = {entry["number"] for entry in journal.on_disk()} - {serving}
    return {
        "changed": False,
        "serving": serving or 0,
        "database": database(app, serving, params["databases"]),
        "health": health(service, serving, params),
        "pending": pending_in_words(app, journal, service),
        "locked": (Lock(app.lock).holder() or {}).get("by", ""),
        "releases": [
            {
                **{
                    key: entry.get(key, "")
                    for key in ("number", "revision", "subject", "by", "result", "note")
                },
                "age": int(now - entry.get("started", now)),
                "back": entry["number"] in back,
                **{key: entry[key] for key in ("tests", "gate") if key in entry},
            }
            for entry in sorted(shown, key=lambda entry: -entry["number"])
        ],
    }


def main() -> None:
    """What the engine runs."""
    run_module(status, in_a_run=False)
