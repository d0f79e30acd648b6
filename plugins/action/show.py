# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows lines to the person at the terminal as they are, whatever the output's format is."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.plugin_utils._display import show


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Prints ``text``."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Print it, in check mode too."""
        super().run(tmp, task_vars)
        show(str(self._task.args.get("text", "")))
        return {"changed": False}
