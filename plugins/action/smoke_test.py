# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for pages through the web server, from the controller, as a visitor does."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._pages import (
    faults,
    listed,
    visitor,
)
from ansible_collections.greenroom.django.plugins.module_utils._text import message

OPTIONS = {
    "app": {"type": "str", "required": True},
    "pages": {"type": "list", "elements": "dict", "required": True},
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "default": 80},
    "host": {"type": "str", "required": True},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """One failure that names every page that is not as it should be."""

    TRANSFERS_FILES = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask for all of them, but in a rehearsal, which has put nothing on stage."""
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(OPTIONS)
        if self._task.check_mode:
            return {"changed": False}
        pages = arguments["pages"]
        asked = visitor(arguments["address"], arguments["port"], arguments["host"])
        found = faults(pages, asked)
        if not found:
            return {"changed": False}
        if self.is_closed(arguments["app"], task_vars):
            return {
                "changed": False,
                "warnings": ["No page was tried: the site is in maintenance."],
            }
        return {"failed": True, "msg": message(listed(found, len(pages)))}

    def is_closed(self, app: str, task_vars: dict[str, Any] | None) -> bool:
        """Whether somebody has closed the site on the host: then every page is the same."""
        found = self._execute_module(
            module_name="ansible.builtin.stat",
            module_args={"path": App(app).maintenance},
            task_vars=task_vars,
        )
        return bool(found.get("stat", {}).get("exists"))
