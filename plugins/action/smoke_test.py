# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks for pages through the web server, from the controller, as a visitor does."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.plugin_utils._smoke import fault

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
        address = arguments["address"]
        base = f"http://{f'[{address}]' if ':' in address else address}:{arguments['port']}"
        pages = arguments["pages"]
        faults = [found for page in pages if (found := fault(page, base, arguments["host"]))]
        if not faults:
            return {"changed": False}
        if self.is_closed(arguments["app"], task_vars):
            return {
                "changed": False,
                "warnings": ["No page was tried: the site is in maintenance."],
            }
        said = "\n".join(f"- {found}" for found in faults)
        return {
            "failed": True,
            "msg": f"Of {len(pages)} pages, these are not as they should be:\n{said}",
        }

    def is_closed(self, app: str, task_vars: dict[str, Any] | None) -> bool:
        """Whether somebody has closed the site on the host: then every page is the same."""
        found = self._execute_module(
            module_name="ansible.builtin.stat",
            module_args={"path": App(app).maintenance},
            task_vars=task_vars,
        )
        return bool(found.get("stat", {}).get("exists"))
