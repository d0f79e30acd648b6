# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters about deploys by push: what a host has to know, to deploy to itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are not among the pins
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.vars.reserved import is_reserved_name

ROLES = Path(__file__).parents[2] / "roles"
# What a run knows of a host beside what was set for it.
OF_THE_RUN = {"environment", "hostvars", "inventory_hostname", "inventory_hostname_short", "omit"}
OF_THE_RUN |= {"group_names", "groups", "inventory_dir", "inventory_file", "module_setup", "vars"}
OF_THE_RUN |= {"playbook_dir", "play_hosts", "role_names", "gather_subset"}


class _Text(str):
    """A text with what Ansible would work out, and is not to: that was done before."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # no stubs
    pass


_Dumper.add_representer(
    _Text, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text), style='"')
)


def _plain(value: Any) -> Any:
    """A value whose texts Ansible takes as they are."""
    if isinstance(value, str):
        return _Text(value) if re.search("{[{%#]", value) else value
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def self_inventory(
    variables: Mapping[str, Any], environment: str, others: Mapping[str, Any]
) -> str:
    """The inventory, as YAML, of a host that deploys to itself.

    ``variables`` are its own (``hostvars[inventory_hostname]``), of which it gets those that
    somebody set, with the values that they have here; ``others`` take the place of some, or are
    added. What cannot be worked out without a task around it is left out. Raises
    AnsibleFilterError, without the value, where a setting is like that.
    """
    own, settings = {}, _settings()
    for name in variables:
        if is_set_by_the_user(name, settings):
            try:
                own[name] = json.loads(json.dumps(variables[name], default=_decrypted))
            except (AnsibleError, TypeError):
                if name in settings:
                    raise AnsibleFilterError(f"{name} cannot be taken along to the host.") from None
    host = {str(variables["inventory_hostname"]): {**own, **others}}
    inventory = json.loads(json.dumps({environment: {"hosts": host}}))
    return str(
        yaml.dump(_plain(inventory), Dumper=_Dumper, allow_unicode=True, default_flow_style=False)
    )


def _decrypted(value: Any) -> str:
    """What is in a value of a vault, which ansible-core before 2.19 decrypts at the last moment."""
    if not getattr(value, "__ENCRYPTED__", False):
        raise TypeError
    return str(value)


def is_set_by_the_user(name: str, settings: set[str]) -> bool:
    """Whether a variable is a setting or the user's own: none of Ansible, and none of a run's."""
    if name in OF_THE_RUN or name.startswith("ansible_") or is_reserved_name(name):
        return False
    ours = any(name.startswith(f"{path.name}_") for path in ROLES.iterdir())
    return not ours or name in settings


def _settings() -> set[str]:
    """The names of all settings."""
    names: set[str] = set()
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        names |= set(DataLoader().load_from_file(str(path))["argument_specs"]["main"]["options"])
    return names


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {"self_inventory": self_inventory}
