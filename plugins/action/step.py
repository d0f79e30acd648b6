# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a step on a host by the engine that is installed there: meta/runtime.yml sends all here."""

from __future__ import annotations

from typing import Any

from ansible_collections.greenroom.django.plugins.plugin_utils._engine import EngineAction


class ActionModule(EngineAction):
    """The action of every module that has none of its own."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the task's step."""
        super().run(tmp, task_vars)
        step = self._task.action.rpartition(".")[2]
        return self.run_step(step, self._task.args, task_vars or {})
