# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module begin: who runs this, and whether the lock's holder still does."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

# One word for a run, made when its first worker loads this file, would differ from host to host, since
# each is a process of its own. The run's own process is what they share.
_RUN = os.getppid()


def controller_id() -> str:
    """What tells this machine, since its last boot, from all others; empty where that is not known."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def is_dead(holder: dict[str, Any]) -> bool:
    """Whether the run that holds a lock was one on this very machine and is over."""
    if not holder.get("pid") or not controller_id() or holder.get("controller") != controller_id():
        return False
    try:
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def who() -> str:
    """The person who runs this, for the journal: user@machine."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"{os.getuid()}@{socket.gethostname()}"


class ActionModule(ActionBase):
    """Takes the lock over at once from a run of this machine that was killed."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {
            "token": secrets.token_hex(8),
            "by": who(),
            "controller": controller_id(),
            "pid": _RUN,
            **self._task.args,
        }
        result = self._execute_module(module_args=arguments, task_vars=task_vars)
        holder = result.get("holder")
        if holder and is_dead(holder):
            result = self._execute_module(module_args={**arguments, "dead": holder["token"]}, task_vars=task_vars)
        return dict(result)
