# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module lock: who runs it, who is dead, and waiting."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from ansible.utils.display import Display
from ansible_collections.greenroom.django.plugins.plugin_utils._engine import EngineAction

# Seconds that a run waits, unasked, for what a dead run's last step still does: it mostly does not
# take long, and nobody else is waiting for anything.
GRACE = 15

PAUSE = 1.0  # seconds between two looks at the lock


def controller_id() -> str:
    """What tells where process numbers mean the same as here; empty where that is not known.

    That is this machine since its last boot, and in it the same container: two containers of one
    machine share the first, and count their processes each from one.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started(pid: int) -> int:
    """When a process started, in ticks since the boot; 0: that cannot be seen, -1: it is over."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    state, *numbers = text.rpartition(")")[2].split()  # the name before may have spaces
    return -1 if state in "ZX" else int(numbers[18])


def is_dead(holder: dict[str, Any]) -> bool:
    """Whether the run that holds a lock was one on this very machine and is over."""
    if not holder.get("pid") or not controller_id() or holder.get("controller") != controller_id():
        return False
    pid = int(holder["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    now, then = started(pid), holder.get("started")
    return now < 0 or bool(now and then and now != then)  # else: another process has its number


def who() -> str:
    """The person who runs this, for the journal: user@machine, or who pushed."""
    if os.environ.get("GREENROOM_BY"):
        return os.environ["GREENROOM_BY"]
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"{os.getuid()}@{socket.gethostname()}"


class ActionModule(EngineAction):
    """Takes the lock over at once from a killed run of this machine, and waits if it is to."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Begin, as the module does; again where the lock is a dead run's, or becomes free."""
        super().run(tmp, task_vars)
        arguments = {
            "token": secrets.token_hex(8),
            "by": who(),
            "controller": controller_id(),
            "pid": os.getppid(),  # this is a worker, of the run that the lock belongs to
            "started": started(os.getppid()),
            **self._task.args,
        }
        wait, began, said = int(arguments.get("wait") or 0), time.monotonic(), ""
        while True:
            result = self.run_step("lock", arguments, task_vars or {})
            holder = result.get("holder")
            if holder and holder["token"] != arguments.get("dead") and is_dead(holder):
                arguments["dead"] = holder["token"]
                continue
            patience = wait if holder else max(wait, GRACE) if result.get("working") else 0
            if time.monotonic() - began >= patience:
                return result
            why = (holder or result["working"])["by"]
            if why != said:
                Display().display(f"Waiting for the run of {why} to end, at most {patience} s.")
                said = why
            time.sleep(PAUSE)
