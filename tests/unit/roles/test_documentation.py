"""What the documentation of a module says is what the module has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._engine import documentation

from tests.unit.roles.project import (
    ALL_TASKS,
    COLLECTION,
    MODULES,
    ROLES,
    ROOT,
    load,
    load_text,
    module,
    of_role,
)

FILTERS = sorted(path.stem for path in (ROOT / "plugins/filter").glob("*.yml"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins/action").glob("*.py"))
# These are done on the controller, by the action plugin alone.
ON_THE_CONTROLLER = {"check_settings", "functional_tests", "merge", "show", "smoke_test"}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_documented(name: str) -> None:
    about = documentation(name)
    assert about["module"] == name
    assert about.keys() == {
        "module",
        "short_description",
        "description",
        "version_added",
        "author",
        "options",
        "attributes",
    }
    assert not about["short_description"].endswith(".")
    assert about["attributes"].keys() == {"check_mode", "diff_mode"}
    for attribute in about["attributes"].values():
        assert attribute["support"] in ("full", "partial", "none")
        assert attribute["description"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_can_be_pasted(name: str) -> None:
    options = documentation(name)["options"]
    tasks = load_text(module(name).EXAMPLES)
    assert tasks
    for task in tasks:
        assert task["name"]
        arguments = task[f"{COLLECTION}.{name}"] or {}
        required = {option for option, about in options.items() if about.get("required")}
        assert required <= arguments.keys() <= options.keys()


OURS = [
    pytest.param(name.removeprefix(f"{COLLECTION}."), arguments or {}, id=f"{where}, {name}")
    for where, task in ALL_TASKS
    for name, arguments in task.items()
    if name.startswith(f"{COLLECTION}.")
]


@pytest.mark.parametrize(("name", "given"), OURS)
def test_a_task_gives_what_its_module_requires(name: str, given: dict[str, Any]) -> None:
    """What is taken from a setting is not required. What works on the controller takes nothing."""
    options = documentation(name)["options"]
    required = {option for option, about in options.items() if about.get("required")}
    assert required <= given.keys() <= options.keys()


@pytest.mark.parametrize("name", MODULES)
def test_what_it_returns_is_described(name: str) -> None:
    for about in (load_text(module(name).RETURN) or {}).values():
        assert {"description", "returned", "type"} <= about.keys()
        assert ("elements" in about) == (about["type"] == "list")


def test_an_action_stands_in_front_of_a_module_or_for_it() -> None:
    assert set(ACTIONS) <= {*MODULES, "step"}
    assert set(ACTIONS) >= ON_THE_CONTROLLER
    assert {name for name in MODULES if not hasattr(module(name), "main")} == ON_THE_CONTROLLER


@pytest.mark.parametrize(
    "path", sorted((ROOT / "plugins/modules").glob("*.py")), ids=lambda p: p.stem
)
def test_a_module_begins_as_ansible_wants_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[:3] == [
        "#!/usr/bin/python",
        "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
        "# SPDX-License-Identifier: GPL-3.0-or-later",
    ]


@pytest.fixture(scope="module")
def shown() -> dict[str, dict[str, Any]]:
    """What ansible-doc says of all plugins, by their type."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    ansible_doc = Path(sys.executable).with_name("ansible-doc")

    def ask(kind: str, names: list[str]) -> dict[str, Any]:
        done = subprocess.run(
            [ansible_doc, "--json", "--type", kind, *(f"{COLLECTION}.{name}" for name in names)],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return {"module": ask("module", MODULES), "filter": ask("filter", FILTERS)}


def test_ansible_doc_takes_them_all(shown: dict[str, dict[str, Any]]) -> None:
    assert sorted(shown["module"]) == [f"{COLLECTION}.{name}" for name in MODULES]
    assert sorted(shown["filter"]) == [f"{COLLECTION}.{name}" for name in FILTERS]
    assert [
        name for found in shown.values() for name, about in found.items() if "doc" not in about
    ] == []


def test_every_filter_is_documented() -> None:
    from ansible_collections.greenroom.django.plugins.filter import (
        backend,
        backup,
        environment,
        fleet,
        messages,
        push,
        run,
    )

    filters = {
        name: filter_
        for plugin in (backend, backup, environment, fleet, messages, push, run)
        for name, filter_ in plugin.FilterModule().filters().items()
    }
    assert sorted(filters) == FILTERS


def test_the_collections_that_it_uses_are_named_alike() -> None:
    wanted = {item["name"]: item["version"] for item in load("requirements.yml")["collections"]}
    assert wanted == load("galaxy.yml")["dependencies"]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_names_the_steps_that_it_has(role: str) -> None:
    about = str(of_role(role, "meta/argument_specs.yml")["argument_specs"]["main"]["description"])
    steps = {path.stem for path in (ROOT / f"roles/{role}/tasks").glob("*.yml")}
    if "steps are in" in about:
        assert set(re.findall(r"C\((\w+)\)", about)) == steps - {"main"}
