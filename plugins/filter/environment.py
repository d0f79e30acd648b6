# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the environment: the hosts of one, and the variables of an app in one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.greenroom.django.plugins.module_utils._environment import dump_environment
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

ENVIRONMENTS = ("staging", "live")


def environment_hosts(groups: Mapping[str, Sequence[str]], target: str = "") -> str:
    """The pattern of hosts that a playbook works on: the group of the inventory's environment.

    ``target`` narrows it down to a host or group in there. Raises AnsibleFilterError where Ansible
    itself would say "no hosts matched", do nothing, and call that a success.
    """
    there = [name for name in ENVIRONMENTS if groups.get(name)]
    if not there:
        empty = [name for name in ENVIRONMENTS if name in groups]
        found = (
            f"its group {empty[0]} is empty"
            if empty
            else "it has neither a group staging nor a group live"
        )
        raise AnsibleFilterError(
            f"The inventory names no host to work on: {found}. Give one with -i, such as "
            "inventories/staging, with at least one host in the group of the environment's name."
        )
    if len(there) > 1:
        raise AnsibleFilterError(
            "The inventory has hosts in both groups, staging and live. One run is for one "
            "environment: give its inventory with -i."
        )
    if not target:
        return there[0]
    if not set(groups.get(target, [target])) & set(groups[there[0]]):
        raise AnsibleFilterError(
            f"target is {target!r}, which is no host or group in {there[0]}. "
            f"There are: {', '.join(sorted(groups[there[0]]))}."
        )
    return f"{there[0]}:&{target}"


def environment_file(variables: Mapping[str, str]) -> str:
    """The environment file of ``app_env``, as systemd reads it.

    Raises AnsibleFilterError, without values.
    """
    try:
        return dump_environment(variables)
    except GreenroomError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {"environment_hosts": environment_hosts, "environment_file": environment_file}
