#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: lock
short_description: Begin a deploy or a rollback of an app on a host
description:
  - Looks whether the host is fit for it, takes the app's lock, and reads its journal.
  - A lock is never taken over while something that the run before started still works on the host.
  - A change that an interrupted run left pending is recovered. If its target release is current,
    that counts as good, since it was proved before, and the rest of the handover is done; else the
    release counts as failed, and what was changed in the databases is undone. The current release
    is then the only one that runs and comes up at boot.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.source_control
  - greenroom.django.step.service_manager
options:
  token:
    description: A word that is this run's alone. The same token takes the lock again. The action
      plugin in front of this module makes one, if it is not given.
    type: str
  by:
    description: Who runs it, for the journal and for those who find the lock taken. The action
      plugin says user@machine, if it is not given.
    type: str
  controller:
    description: What tells the controller from all others, and one boot of it from the next.
    type: str
    default: ""
  pid:
    description: The process of the run on the controller.
    type: int
    default: 0
  started:
    description: When that process started, in ticks since the controller's boot. Another process
      may get its number later.
    type: int
    default: 0
  wait:
    description:
      - How many seconds to wait while somebody else holds the lock, or something that an earlier
        run started still works on the host.
      - The action plugin in front of this module waits.
    type: int
    default: 0
  dead:
    description:
      - Take the lock over from the run with this token, which is known to be dead.
      - The action plugin in front of this module fills in O(controller), O(pid), O(started)
        and O(dead).
    type: str
  python:
    description: The Python that the app wants, by name or path.
    type: str
    default: python3
  free_space:
    description: What must be free on the file system of the app, in MiB.
    type: int
    default: 0
  free_inodes:
    description: How many inodes must be free there.
    type: int
    default: 0
attributes:
  check_mode:
    support: full
    description: In check mode the lock is looked at but not taken.
  diff_mode:
    support: none
    description: Nothing here is worth a diff.
"""

EXAMPLES = r"""
- name: Check the host and take the lock
  greenroom.django.lock:
    app: blog
    python: python3.11
    free_space: 500
"""

RETURN = r"""
token:
  description: The token that holds the lock now.
  returned: success
  type: str
by:
  description: Who runs it.
  returned: success
  type: str
last_number:
  description: The highest release number that was ever given here, 0 where none was.
  returned: success
  type: int
serving:
  description: The number of the release that is on stage, 0 where there is none.
  returned: success
  type: int
revision:
  description: The revision of that release, empty where there is none.
  returned: success
  type: str
recovered:
  description: What was finished or undone of what an interrupted run left pending, a sentence each.
    In check mode, what is pending.
  returned: success
  type: list
  elements: str
holder:
  description: Who holds the lock, where it is taken (token, by, controller, pid, started, since
    in Unix seconds).
  returned: when somebody else holds the lock
  type: dict
working:
  description: What an earlier run still does on the host (step, by, since in Unix seconds).
  returned: when nobody holds the lock, and something still works
  type: dict
"""

import os
import time
from contextlib import nullcontext
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._host import (
    check_host,
    check_room,
    check_sandbox,
)
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._recovery import recover
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of
from ansible_collections.greenroom.django.plugins.module_utils._source_control import source_of


def take_lock(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Check, lock, read; the result of the module. Raises GreenroomError."""
    app = App(params["app"])
    check_host(params["service_manager"], params["python"])
    if not os.path.isdir(app.releases):
        raise GreenroomError(
            f"This host is not prepared for {app.name}: {app.releases} is missing. "
            "Run site.yml on it first, with the same inventory."
        )
    check_sandbox()
    check_room(app.home, params["free_space"], params["free_inodes"])
    service = service_of(app, params["service_manager"])
    if not service.is_prepared():
        raise GreenroomError(
            f"This host is not prepared to run {app.name} under {params['service_manager']} "
            "(app_service_manager). Run site.yml on it first, with the same inventory."
        )
    lock = Lock(app.lock)
    holder = {key: params[key] for key in ("token", "by", "controller", "pid", "started")}
    if check_mode:
        lock.check(holder, params["dead"])
    else:
        lock.take({**holder, "since": time.time()}, params["dead"])
    try:
        with nullcontext() if check_mode else lock.step(params["token"], "lock"):
            journal = Journal.read(app.journal)
            serving = app.serving()
            recovered = recover(app, journal, service, check_mode)
            if not check_mode:
                source_of(app, params["source_control"]).unlock()
    except GreenroomError:
        lock.release(params["token"])
        raise
    return {
        "token": params["token"],
        "by": params["by"],
        "last_number": max(journal.last_number(), highest_on_disk(app)),
        "serving": serving or 0,
        "revision": (journal.find(serving) or {}).get("revision", ""),
        "recovered": recovered,
        "changed": bool(recovered),
    }


def highest_on_disk(app: App) -> int:
    """The highest number that has a folder, for a journal that was lost; 0 where none has."""
    return max((int(name) for name in os.listdir(app.releases) if name.isdigit()), default=0)


def main() -> None:
    """What the engine runs."""
    run_module(take_lock, in_a_run=False)  # it has still to get the lock
