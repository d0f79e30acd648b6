# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of the module begin: who runs it, and whether the lock's holder lives."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase


def controller_id() -> str:
    """What tells this machine, since its last boot, from all others; empty where not known."""
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


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Takes the lock over at once from a run of this machine that was killed."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Begin, as the module does; and once more where the lock is a dead run's."""
        super().run(tmp, task_vars)
        arguments = {
            "token": secrets.token_hex(8),
            "by": who(),
            "controller": controller_id(),
            "pid": os.getppid(),  # this is a worker, of the run that the lock belongs to
            **self._task.args,
        }
        result = self._execute_module(module_args=arguments, task_vars=task_vars)
        holder = result.get("holder")
        if holder and is_dead(holder):
            result = self._execute_module(
                module_args={**arguments, "dead": holder["token"]}, task_vars=task_vars
            )
        return dict(result)
