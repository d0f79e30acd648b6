"""How long each task of a run takes, from its start to the next one's: for tools/bench.py.

ANSIBLE_CALLBACK_PLUGINS and ANSIBLE_CALLBACKS_ENABLED bring it in; GREENROOM_SECONDS names the file
that it writes at the end, a JSON list of [name of the task, seconds, whether a host did it].
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: seconds
type: aggregate
short_description: Write down how long each task takes
description: See the file.
requirements: []
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """Notes when tasks start, and which were skipped."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "seconds"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.started: list[tuple[str, float]] = []
        self.done: set[str] = set()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 - Ansible's
        """The one before is over."""
        self.started.append((task.get_name().rpartition(" : ")[2], time.monotonic()))

    def v2_runner_on_ok(self, result: Any) -> None:  # noqa: ARG002 - Ansible's
        """It was not skipped."""
        self.done.add(self.started[-1][0])

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002 - Ansible's
        """The end."""
        ends = [moment for _, moment in self.started[1:]] + [time.monotonic()]
        tasks = [
            (name, end - start, name in self.done) for (name, start), end in zip(self.started, ends)
        ]
        Path(os.environ["GREENROOM_SECONDS"]).write_text(json.dumps(tasks))
