# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about backups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._cron import cron_time


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {"cron_time": cron_time}
