# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deploy in a line a step, as one who pushes sees it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.greenroom.django.plugins.plugin_utils._display import show

DOCUMENTATION = """
name: steps
type: stdout
short_description: A line a step, and what went wrong
version_added: 0.1.0
author: The Greenroom authors (@greenroom)
description:
  - Shows the name of each task that was not skipped, when it has ended, or after some seconds.
  - Of a task that failed, what it said.
"""

LONG = 2  # seconds after which a step is named before it has ended


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """Prints the steps of a run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "greenroom.django.steps"

    def __init__(self) -> None:
        super().__init__()
        self._step = ""  # the one that is still to be named
        self._turn = threading.Lock()
        self._patience = threading.Timer(0, self._say)

    def _say(self) -> None:
        with self._turn:
            step, self._step = self._step, ""
        if step:
            show(f"-----> {step}")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible's
        """A task that is skipped ends at once, and is never named."""
        self._patience.cancel()
        with self._turn:
            self._step = "" if is_none(str(task.action)) else str(task.name)
        self._patience = threading.Timer(LONG, self._say)
        self._patience.daemon = True
        self._patience.start()

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start

    def v2_runner_on_ok(self, result: Any) -> None:
        """It did something."""
        self._say()
        self._handle_warnings(result._result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002 - Ansible's
        """It failed."""
        self._say()
        self._handle_warnings(result._result)
        show(what_it_said(result._result))

    v2_runner_on_unreachable = v2_runner_on_failed

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002 - Ansible's
        """The end: nobody is kept waiting for a name that is still to come."""
        self._patience.cancel()


def is_none(action: str) -> bool:
    """Whether a task is no step of its own: it brings others, or shows something."""
    return action.rpartition(".")[2] in (
        "include_role",
        "include_tasks",
        "meta",
        "show",
        "check_settings",
        "validate_argument_spec",
    )


def what_it_said(result: Mapping[str, Any]) -> str:
    """What a task that failed has to say: its message, or those of its items, and its output."""
    if "censored" in result:
        return str(result["censored"])
    items = [item for item in result.get("results", ()) if item.get("failed")]
    if items:
        return "\n".join(what_it_said(item) for item in items)
    texts = (str(result.get(part) or "").strip() for part in ("msg", "stdout", "stderr"))
    return "\n".join(dict.fromkeys(filter(None, texts)))
