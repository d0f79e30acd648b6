"""Lets something happen at an exact moment of a run: before a task, or after it.

ANSIBLE_CALLBACK_PLUGINS and ANSIBLE_CALLBACKS_ENABLED bring it in; GREENROOM_AT says what to do, as
JSON: {"moment": "before" or "after", "task": a part of its name, "argv": what to run, "arguments":
{what to change in the task's own}}. The run stands still until the command has ended.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: at_a_task
type: aggregate
short_description: Let something happen before or after a task
description: See the file.
requirements: []
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """Waits for its moment, which comes once."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "at_a_task"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[str, Any] | None = json.loads(os.environ["GREENROOM_AT"])

    def _come(self, moment: str, task: Any) -> None:
        wanted = self.wanted
        if wanted is None or wanted["moment"] != moment or wanted["task"] not in task.get_name():
            return
        self.wanted = None
        task.args.update(wanted.get("arguments", {}))
        if wanted.get("argv"):
            subprocess.run(wanted["argv"], check=False)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible's
        """It is about to be run."""
        self._come("before", task)

    def v2_runner_on_ok(self, result: Any) -> None:
        """It went well, and the next one has not begun."""
        self._come("after", result._task)
