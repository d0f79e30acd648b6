# PRIVATE to the collection: names that are none, and whose they might be.
from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are not among the pins

ROOT = Path(__file__).parents[3]
# libyaml reads in a tenth of the time, where it is there.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PREFIXES = tuple(sorted(f"{path.name}_" for path in (ROOT / "roles").iterdir()))


def own_names() -> set[str]:
    """All variables that the roles and playbooks set: what follows from settings, and results."""
    found: set[str] = set()
    for folder in ("roles/*/tasks/**", "roles/*/handlers", "playbooks/**"):
        for path in ROOT.glob(f"{folder}/*.yml"):
            found.update(_set_in(yaml.load(path.read_text(encoding="utf-8"), _LOADER)))
    return found | names_of_roles()


def names_of_roles() -> set[str]:
    """Those that the roles compute of their settings."""
    return {
        name
        for path in ROOT.glob("roles/*/vars/**/*.yml")
        for name in re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
    }


def _set_in(node: Any) -> Iterator[str]:
    """What is registered, looped over or set by the plays and tasks in a piece of YAML."""
    if isinstance(node, list):
        for item in node:
            yield from _set_in(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("register", "loop_var"):
                yield value
            elif key == "vars" and isinstance(value, dict):
                yield from value
            else:
                yield from _set_in(value)


def problems_of_names(
    defined: Iterable[str], settings: Collection[str], own: Collection[str]
) -> list[str]:
    """Variables of an inventory that look like a setting, and are none: a misspelt one is silent.

    What is near no setting is somebody's own, whatever it begins with.
    """
    return [
        f"{name} is not a setting; did you mean {meant}? Rename it if it is a variable of your own."
        for name in sorted({*defined} - {*settings, *own})
        if not name.startswith("ansible_") and (meant := meant_by(name, settings))
    ]


def problems_of_typed(
    typed: Iterable[str], settings: Collection[str], words: Collection[str], own: Collection[str]
) -> list[str]:
    """What is wrong with the names of variables that were given with -e."""
    found = []
    for name in sorted({*typed} - {*settings, *words}):
        if name in own:
            found.append(
                f"{name} (-e) is not a setting: Greenroom computes it, and a value that is "
                "typed would replace that. Leave it out."
            )
        elif not name.startswith("ansible_"):
            meant = meant_by(name, settings) or next(
                iter(get_close_matches(name, words, 1, 0.8)), None
            )
            if not meant and len(name) > 5 and f"app_{name}" in settings:
                meant = f"app_{name}"
            if meant:
                found.append(
                    f"{name} (-e) is neither a setting nor a word of a playbook; did you mean "
                    f"{meant}? Rename it if it is a variable of your own."
                )
    return found


def meant_by(name: str, settings: Collection[str]) -> str | None:
    """The setting that a name is close to, if any."""
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
    if prefix:
        for candidate in (f"app_{name}", name.removeprefix("app_")):
            if candidate in settings:
                return candidate
        rests = [setting[len(prefix) :] for setting in settings if setting.startswith(prefix)]
        for rest in get_close_matches(name[len(prefix) :], rests, 1, 0.8):
            return prefix + rest
    return next(iter(get_close_matches(name, settings, 1, 0.9)), None)
