"""The project's own YAML, read for tests."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are not among the pins

ROOT = Path(__file__).parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
COLLECTION = "greenroom.django"


def load(path: str | Path) -> Any:
    """What is in a YAML file of the project."""
    return load_text((ROOT / path).read_text())


def load_text(text: str) -> Any:
    """What is in a text of YAML: libyaml reads it in a tenth of the time, where it is there."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def of_role(role: str, path: str) -> dict[str, Any]:
    """What is in a YAML file of a role; nothing where it has no such file, or only comments."""
    path = f"roles/{role}/{path}"
    return (load(path) or {}) if (ROOT / path).exists() else {}


def variables_of_role(role: str) -> dict[str, Any]:
    """The defaults and variables of a role, those of all backends among them."""
    variables = of_role(role, "defaults/main.yml") | of_role(role, "vars/main.yml")
    for path in sorted((ROOT / f"roles/{role}/vars").glob("*/*.yml")):
        variables |= load(path)
    return variables


def options_of_role(role: str) -> dict[str, Any]:
    """The options of a role's argument spec."""
    options: dict[str, Any] = of_role(role, "meta/argument_specs.yml")["argument_specs"]["main"][
        "options"
    ]
    return options


def module(name: str) -> ModuleType:
    """One of the project's modules, imported."""
    return importlib.import_module(f"ansible_collections.greenroom.django.plugins.modules.{name}")


def task_files() -> list[Path]:
    """All files with tasks or plays in them."""
    files = [*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("roles/*/handlers/*.yml")]
    return sorted([*files, *ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("*.yml")])


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    """Every play, block and task in a file, outermost first."""
    if isinstance(found, list):
        for item in found:
            if isinstance(item, dict):
                yield item
                for key in ("pre_tasks", "tasks", "post_tasks", "handlers", *BLOCK):
                    yield from tasks(item.get(key))


BLOCK = ("block", "rescue", "always")
ALL_TASKS = [
    (f"{path.relative_to(ROOT)}: {task.get('name', number)}", task)
    for path in task_files()
    if path.name not in ("galaxy.yml", "requirements.yml")
    for number, task in enumerate(tasks(load(path)))
]
