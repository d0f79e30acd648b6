# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the run of Ansible itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible import constants


def controller_tmp_path(name: str) -> str:
    """A path on this machine that nobody else can read, and that is gone when the run ends.

    It is in the folder that Ansible makes for itself at each start. The lookup of its setting is no
    way to it: that makes another one.
    """
    return str(Path(constants.DEFAULT_LOCAL_TMP, name))


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {"controller_tmp_path": controller_tmp_path}
