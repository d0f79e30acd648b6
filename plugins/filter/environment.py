# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about the environment: the hosts of one, and the settings of an app in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.greenroom.django.plugins.module_utils._environment import dump_environment
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

ENVIRONMENTS = ("staging", "live")


def environment_hosts(
    groups: Mapping[str, Sequence[str]], target: str = "", environment: str = ""
) -> str:
    """The pattern of hosts that a playbook works on: the group of the inventory's environment.

    ``target`` narrows it down to a host or group in there. ``environment`` names the one to work
    on, for a playbook that works on both and is given both inventories. Raises AnsibleFilterError
    where Ansible itself would say "no hosts matched", do nothing, and call that a success.
    """
    there = [name for name in ENVIRONMENTS if groups.get(name)]
    if environment:
        _refuse_all_but_two_environments(groups, environment)
        there = [environment]
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


def _refuse_all_but_two_environments(groups: Mapping[str, Sequence[str]], environment: str) -> None:
    """What works on both environments needs hosts in each group, and none in both."""
    if environment not in ENVIRONMENTS:
        raise AnsibleFilterError(
            f"environment is {environment!r}; it should be {' or '.join(ENVIRONMENTS)}, or empty."
        )
    without = [name for name in ENVIRONMENTS if not groups.get(name)]
    if without:
        raise AnsibleFilterError(
            "This works on both environments, and the inventory has no host in the group "
            f"{' and none in the group '.join(without)}. Give both: "
            "-i inventories/staging -i inventories/live"
        )
    both = sorted(set(groups["staging"]) & set(groups["live"]))
    if both:
        raise AnsibleFilterError(
            f"{', '.join(both)} {'is' if len(both) == 1 else 'are'} in both groups, staging and "
            "live, so the variables of the two would be mixed. Name a host in one of them alone."
        )


def environment_file(variables: Mapping[str, str]) -> str:
    """The environment file of ``app_env``, as its service reads it.

    Raises AnsibleFilterError, without values.
    """
    try:
        return dump_environment(variables)
    except GreenroomError as error:
        raise AnsibleFilterError(str(error)) from None


def local_settings_template(template: str, folder: str) -> str:
    """The path of the template of the local settings: the user's, or our own where there is none.

    A relative one is seen from ``folder``.
    """
    own = Path(__file__).parents[2] / "roles/app/templates/local_settings.py.j2"
    return str(Path(folder, template) if template else own)


def pages_of_the_app(
    pages: Sequence[Mapping[str, Any]], others: Sequence[str]
) -> list[Mapping[str, Any]]:
    """The pages to try that a release answers by itself, without a web server.

    Not those of whole addresses, below the paths of ``others`` (static files and uploads), or that
    say so: a page with ``green_room: false`` is one in which the web server has a hand.
    """
    return [
        page
        for page in pages
        if "path" in page
        and not str(page["path"]).startswith(tuple(others))
        and boolean(page.get("green_room", True))
    ]


def python(value: Any) -> str:
    """A value as Python writes it: text, numbers, yes and no, nothing, and lists and dicts of them.

    Raises AnsibleFilterError for anything else, without the value.
    """
    try:
        return repr(json.loads(json.dumps(value)))  # of Ansible's own types, which are texts too
    except TypeError:
        raise AnsibleFilterError(
            f"A value of type {type(value).__name__} cannot be written as Python."
        ) from None


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {
            "environment_file": environment_file,
            "environment_hosts": environment_hosts,
            "local_settings_template": local_settings_template,
            "pages_of_the_app": pages_of_the_app,
            "python": python,
        }
