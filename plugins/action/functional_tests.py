# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the user's own tests against a site. Everything runs on the controller."""

from __future__ import annotations

import tempfile
import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._text import message
from ansible_collections.greenroom.django.plugins.plugin_utils._clone import CLONES, reason
from ansible_collections.greenroom.django.plugins.plugin_utils._display import show
from ansible_collections.greenroom.django.plugins.plugin_utils._functional_tests import run, told
from ansible_collections.greenroom.django.plugins.plugin_utils._program import inherited

OPTIONS = {
    "command": {"type": "str", "required": True},
    "repository": {"type": "str", "required": True},
    "revision": {"type": "str", "required": True},
    "url": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 1800},
    "source_control": {"type": "str", "choices": list(CLONES), "default": next(iter(CLONES))},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Tests that fail are a result like another: what becomes of it is for others to decide."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run them in a fresh clone, unless it is a rehearsal."""
        super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(OPTIONS)
        command, revision, url = (arguments[name] for name in ("command", "revision", "url"))
        if not revision:
            return {"failed": True, "msg": "Nothing serves that could be tested: deploy first."}
        if self._task.check_mode:
            show(f"Would run {command!r} of {revision[:10]} against {url}.")
            return {"changed": False}
        show(f"Running {command!r} of {revision[:10]} against {url}:")
        began = int(time.time())
        try:
            with tempfile.TemporaryDirectory(prefix="greenroom-tests-") as folder:
                clone = CLONES[arguments["source_control"]]
                clone.check_out(arguments["repository"], revision, folder)
                variables = {**inherited(), **told(url)}
                ended = run(
                    command, folder, variables, arguments["timeout"], lambda line: show(f"  {line}")
                )
        except GreenroomError as error:
            kind, repository = arguments["source_control"], arguments["repository"]
            return {"failed": True, "msg": message(reason(error, repository, kind))}
        return {
            "changed": False,
            "result": "passed" if ended.passed else "failed",
            "how": str(ended),
            "at": began,
            "command": command,
        }
