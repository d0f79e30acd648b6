# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks what an argument spec cannot say of a setting. Everything runs on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import NAMES, problems


class ActionModule(ActionBase):
    """One failure that names every setting that is wrong, what it is, and what it should be."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        settings = {name: self._templar.template(task_vars[name]) for name in NAMES if name in (task_vars or {})}
        found = problems(settings)
        if found:
            return {"failed": True, "msg": "These settings are not right:\n" + "\n".join(f"- {p}" for p in found)}
        return {"changed": False}
