# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks all settings, by the roles' argument specs and more. Everything runs on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.greenroom.django.plugins.filter.environment import (
    local_settings_template,
)
from ansible_collections.greenroom.django.plugins.module_utils._database import DATABASES
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import NAMES, problems
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.files import (
    HOOKS,
    problem_of_template,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.inventory import (
    problems_of_balancer,
    problems_of_push,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.names import (
    names_of_roles,
    own_names,
    problems_of_names,
    problems_of_typed,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.words import (
    WORDS,
    playbooks_of,
    problems_of_words,
)

ROLES = Path(__file__).parents[2] / "roles"
# Made of a template, which may have faults of its own.
LOCAL_SETTINGS = "app_local_settings_content"


def options_of_roles() -> dict[str, Any]:
    """The options in the argument specs of all roles of this collection, by their names."""
    options: dict[str, Any] = {}
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        options.update(DataLoader().load_from_file(str(path))["argument_specs"]["main"]["options"])
    return options


def of_database(settings: dict[str, Any], task_vars: dict[str, Any]) -> list[str]:
    """What is wrong with the inventory for the app's kind of database."""
    kind = DATABASES.get(str(settings.get("app_database")))
    if kind is None or of_both(task_vars):
        return []
    hosts, database = hosts_of(task_vars), task_vars["groups"].get("database", [])
    addresses = addresses_of([*hosts, *database], task_vars, "database_address")
    return kind.inventory_problems(str(settings.get("app_name")), hosts, database, addresses)


def of_balancer(task_vars: dict[str, Any]) -> list[str]:
    """What is wrong with the inventory where it has a balancer."""
    balancers = task_vars.get("groups", {}).get("balancer", [])
    if not balancers or of_both(task_vars):
        return []
    hosts = hosts_of(task_vars)
    names = ("balancer_address", "database_address")
    addresses = addresses_of([*hosts, *balancers], task_vars, *names)
    return problems_of_balancer(hosts, balancers, addresses)


def of_push(settings: dict[str, Any], task_vars: dict[str, Any]) -> list[str]:
    """What is wrong with the inventory where a host is to deploy to itself."""
    if settings.get("release_action") != "push":
        return []
    return problems_of_push(hosts_of(task_vars), task_vars["groups"].get("balancer", []))


def of_both(task_vars: dict[str, Any]) -> bool:
    """Whether both inventories were given: whose host of a group is whose, is not seen then."""
    return all(task_vars.get("groups", {}).get(name) for name in ("staging", "live"))


def hosts_of(task_vars: dict[str, Any]) -> list[str]:
    """The hosts of the environment."""
    environment = "live" if "live" in task_vars["group_names"] else "staging"
    return list(task_vars["groups"][environment])


def addresses_of(hosts: list[str], task_vars: dict[str, Any], *names: str) -> dict[str, str]:
    """Where those hosts are in the network between them, by the variables that may say so."""
    found = {}
    for host in hosts:
        variables = task_vars["hostvars"][host]
        wanted = (str(variables.get(name) or "") for name in (*names, "ansible_host"))
        found[host] = next(filter(None, wanted), host)
    return found


def of_hooks(settings: dict[str, Any], loader: DataLoader) -> list[str]:
    """Which hooks have no tasks that can be read: at their moment they would end the run there."""
    hooks, folder = settings.get("app_hooks"), settings.get("inventory_dir")
    found = []
    for name, path in hooks.items() if isinstance(hooks, dict) and folder else ():
        file = Path(str(folder), str(path))
        if name not in HOOKS or not file.is_file():
            continue  # problems() says so
        try:
            tasks = loader.load_from_file(str(file))
        except AnsibleError as error:
            found.append(
                f"app_hooks.{name} is {str(path)!r}, which cannot be read: {error.message}"
            )
            continue
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            found.append(f"app_hooks.{name} is {str(path)!r}; it should be a file with tasks.")
    return found


def of_the_gate(settings: dict[str, Any], typed: dict[str, Any]) -> list[str]:
    """Whether a word of the command line would take live's gate away, and leave no trace of it."""
    if "app_functional_tests" not in typed or settings.get("app_environment") != "live":
        return []
    return [
        f"app_functional_tests is {str(typed['app_functional_tests'])!r} on the command line, and "
        "it decides whether live takes untested revisions; it should be in the inventory. To "
        "deploy one, once, which the journal keeps: -e allow_untested=true"
    ]


def of_names(defined: dict[str, Any], typed: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """Names that are near one that means something, and words that this playbook does not take."""
    names = {name for name in defined if isinstance(name, str)} - typed.keys()
    own = {*names_of_roles(), *WORDS}
    if typed.keys() - {*settings, *WORDS} or problems_of_names(names, settings, own):
        own |= own_names()  # which reads all tasks, and mostly is not needed
    found = problems_of_names(names, settings, own)
    found += problems_of_typed(typed, settings, WORDS, own)
    return found + problems_of_words(typed, playbooks_of(context.CLIARGS.get("args") or ()))


def of_template(settings: dict[str, Any], said: str) -> str:
    """What is wrong with the template of the local settings."""
    template = str(settings.get("app_local_settings_template", ""))
    path = local_settings_template(template, str(settings.get("inventory_dir", "")))
    return problem_of_template(path, said)


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """One failure that names every setting that is wrong, what it is, and what it should be."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Look at all settings that are defined."""
        super().run(tmp, task_vars)
        options = options_of_roles()
        settings, unreadable = {}, []
        for name in dict.fromkeys([*NAMES, *options, LOCAL_SETTINGS]):
            if task_vars and name in task_vars:
                try:
                    settings[name] = self._templar.template(task_vars[name])
                except AnsibleError as error:
                    unreadable.append(
                        of_template(settings, error.message)
                        if name == LOCAL_SETTINGS
                        else f"{name} cannot be read: {error.message}"
                    )
        if unreadable:
            return {"failed": True, "msg": "\n".join(dict.fromkeys(unreadable))}
        found = problems(settings, options) + of_database(settings, task_vars or {})
        found += of_balancer(task_vars or {}) + of_push(settings, task_vars or {})
        found += of_hooks(settings, self._loader)
        typed = load_extra_vars(self._loader)
        found += of_the_gate(settings, typed)
        found += of_names(task_vars or {}, typed, options)
        if found:
            return {
                "failed": True,
                "msg": "These settings are not right:\n" + "\n".join(f"- {p}" for p in found),
            }
        return {"changed": False}
