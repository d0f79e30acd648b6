# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about several hosts: who goes on stage when, and who is served to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

MAINTENANCE = 0x01 | 0x02 | 0x04  # of HAProxy's srv_admin_state: by its socket, another, its file
RUNNING = 2  # of its srv_op_state


def batches(hosts: Sequence[str], size: int | str) -> list[list[str]]:
    """The hosts in batches of one size: a number, or a percentage of them, rounded down to one."""
    text = str(size)
    count = len(hosts) * int(text[:-1]) // 100 if text.endswith("%") else int(text)
    count = max(count, 1)
    return [list(hosts[start : start + count]) for start in range(0, len(hosts), count)]


def haproxy_states(said: str) -> dict[str, str]:
    """Who is served to, by what HAProxy says to ``show servers state``.

    For each server: ``up``, ``down``, or ``out``, where somebody took it out.
    """
    found = {}
    for words in map(str.split, said.splitlines()):
        if len(words) > 6 and words[0].isdigit():
            out = int(words[6]) & MAINTENANCE
            found[words[3]] = "out" if out else "up" if int(words[5]) == RUNNING else "down"
    return found


def balancers(
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    inventory_file: str = "",
) -> list[str]:
    """The hosts of the group balancer; of two inventories, as for promote.yml, those of one."""
    found = list(groups.get("balancer") or [])
    if not (groups.get("staging") and groups.get("live")):
        return found
    return [host for host in found if hostvars[host].get("inventory_file") == inventory_file]


def current_release(status: Mapping[str, Any]) -> dict[str, Any]:
    """The current release, of what the module status found on a host; empty if there is none."""
    current = status.get("serving")
    releases = (each for each in status.get("releases", []) if each["number"] == current)
    return dict(next(releases, {}))


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {
            "balancers": balancers,
            "batches": batches,
            "current_release": current_release,
            "haproxy_states": haproxy_states,
        }
