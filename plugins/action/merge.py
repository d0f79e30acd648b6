# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merges one branch into another and pushes the result. Everything runs on the controller."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._text import message
from ansible_collections.greenroom.django.plugins.plugin_utils._clone import CLONES, reason
from ansible_collections.greenroom.django.plugins.plugin_utils._display import show
from ansible_collections.greenroom.django.plugins.plugin_utils._merged import Merged

OPTIONS = {
    "repository": {"type": "str", "required": True},
    "branch": {"type": "str", "required": True},
    "into": {"type": "str", "required": True},
    "source_control": {"type": "str", "choices": list(CLONES), "default": next(iter(CLONES))},
}


def sentence(merged: Merged, branch: str, into: str, rehearsed: bool) -> str:
    """What was done, for a person to read."""
    if not merged.changed:
        return f"{branch} is in {into} already."
    commits = "".join(f"\n  {line}" for line in merged.commits)
    if rehearsed:
        return f"Would merge {branch} into {into}, and push it:{commits}"
    return f"Merged {branch} into {into}, and pushed it as {merged.revision[:10]}:{commits}"


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Says what it did, or in check mode would do."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Merge, and push unless it is a rehearsal."""
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(OPTIONS)
        branch, into = arguments["branch"], arguments["into"]
        rehearsed = bool(self._task.check_mode)
        try:
            merged = CLONES[arguments["source_control"]].merge(
                arguments["repository"], branch, into, push=not rehearsed
            )
        except GreenroomError as error:
            kind, repository = arguments["source_control"], arguments["repository"]
            return {"failed": True, "msg": message(reason(error, repository, kind))}
        show(sentence(merged, branch, into, rehearsed))
        return {
            "changed": merged.changed,
            "revision": merged.revision,
            "commits": merged.commits,
        }
