"""How tasks are written. What ansible-lint sees is left to it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.roles.project import ALL_TASKS, BLOCK, COLLECTION, ROLES, ROOT, load, task_files

# What may stand beside a module, in the order in which it does. The module itself is the dot.
ORDER = ["name", "when", "run_once", "become", "become_user", "delegate_to", "."]
ORDER += [
    "args",
    "vars",
    "loop",
    "loop_control",
    "environment",
    "timeout",
    "throttle",
    "diff",
    "check_mode",
    "ignore_unreachable",
    "register",
    "until",
]
ORDER += ["retries", "delay", "changed_when", "failed_when", "notify", "no_log", *BLOCK]
IDS = [name for name, _ in ALL_TASKS]
FQCN = re.compile(r"(ansible\.builtin|ansible\.posix|community\.\w+|greenroom\.django)\.\w+")


def module_of(task: dict[str, Any]) -> str:
    """The module of a task; empty for a block or a play."""
    return next((key for key in task if "." in key), "")


@pytest.mark.parametrize("task", [task for _, task in ALL_TASKS], ids=IDS)
def test_a_task(task: dict[str, Any]) -> None:
    name = task["name"]
    assert re.fullmatch(r"[A-Z].*[^.\s]", name, re.DOTALL)
    module = module_of(task)
    if "hosts" in task:
        return
    assert module or "block" in task, f"{task} has no module by its full name"
    if module:
        assert FQCN.fullmatch(module)
        assert module not in ("ansible.builtin.shell", "ansible.builtin.set_fact")
        assert "ignore_errors" not in task
    keys = ["." if key == module else key for key in task]
    assert set(keys) <= set(ORDER)
    assert keys == sorted(keys, key=ORDER.index)


@pytest.mark.parametrize("task", [task for _, task in ALL_TASKS], ids=IDS)
def test_roles_and_modules_of_ours_are_there(task: dict[str, Any]) -> None:
    module = module_of(task)
    if module.startswith(f"{COLLECTION}."):
        assert (ROOT / f"plugins/modules/{module.removeprefix(f'{COLLECTION}.')}.py").exists()
    elif module in ("ansible.builtin.import_role", "ansible.builtin.include_role"):
        asked = task[module]
        role = asked["name"].removeprefix(f"{COLLECTION}.")
        assert role in ROLES
        assert (ROOT / f"roles/{role}/tasks/{asked.get('tasks_from', 'main')}.yml").exists()
    for role in task.get("roles", []):
        assert role.removeprefix(f"{COLLECTION}.") in ROLES


@pytest.mark.parametrize("path", task_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_fits_on_a_screen_or_two(path: Any) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 120
    assert lines[0] == "---"


def test_no_include_of_an_include() -> None:
    """A newcomer is at the bottom after three jumps."""
    for path in ROOT.glob("roles/*/tasks/*/*.yml"):
        # Variables of a backend are no jump.
        assert "include_" not in path.read_text().replace("include_vars", "")
        assert "import_" not in path.read_text()


AT_THE_ROOT = sorted(
    path.stem for path in ROOT.glob("*.yml") if path.name not in ("galaxy.yml", "requirements.yml")
)


@pytest.mark.parametrize("name", AT_THE_ROOT)
def test_a_playbook_at_the_root_imports_the_one_of_its_name(name: str) -> None:
    (play,) = load(f"{name}.yml")
    assert play == {
        "name": play["name"],
        "ansible.builtin.import_playbook": f"playbooks/{name}.yml",
    }
    assert re.fullmatch(r"[A-Z][\w' ,]+", play["name"])


@pytest.mark.parametrize("name", ["site", "deploy", "rollback", "status"])
def test_one_that_is_a_single_play_is_named_as_that_is(name: str) -> None:
    assert load(f"{name}.yml")[0]["name"] == load(f"playbooks/{name}.yml")[0]["name"]


def test_every_playbook_has_one_at_the_root() -> None:
    assert sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml")) == AT_THE_ROOT


def test_the_linter_leaves_out_those_at_the_root_and_no_other() -> None:
    """They are held to their two lines above; a name without a slash would hold anywhere."""
    left_out = [path for path in load(".ansible-lint")["exclude_paths"] if path.endswith(".yml")]
    assert sorted(left_out) == sorted([*(f"/{name}.yml" for name in AT_THE_ROOT), *BOTH])
    makefile = (ROOT / "Makefile").read_text()
    assert [name for name in BOTH if name not in makefile] == []


BOTH = ("playbooks/promote.yml", "playbooks/refresh_staging.yml")  # they have a line of their own
