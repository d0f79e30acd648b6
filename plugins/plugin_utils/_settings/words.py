# PRIVATE to the collection: the words that are typed with -e.
from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
_COLLECTION = "greenroom.django."  # before the name of a playbook of an installed one
_LOCKING = (
    "backup",
    "deploy",
    "functional_tests",
    "promote",
    "refresh_staging",
    "restore",
    "rollback",
)
_DEPLOYING = ("deploy", "promote", "verify_deploy")
_FLEETS = (*_LOCKING, "push", "site", "status", "verify_deploy")

# A word, and the playbooks that take it. A unit test holds this to what they and the roles read.
WORDS: dict[str, tuple[str, ...]] = {
    "rev": ("deploy", "rollback"),
    "merge": ("deploy",),
    "wait": (*_LOCKING, "verify_deploy"),
    "allow_untested": ("deploy", "promote"),
    "migrations": ("rollback", "verify_deploy"),
    "migration": ("rollback",),
    "restore_database": ("rollback",),
    "snapshot": ("refresh_staging", "restore", "rollback"),
    "drop_replaced": ("restore",),
    "allow_database_ahead": _DEPLOYING,
    "allow_backwards_incompatible": (*_DEPLOYING, "rollback"),
    "allow_live": ("verify_deploy",),
    "target": tuple(name for name in _FLEETS if name != "promote"),
}

# Of these verify_deploy.yml itself says what they would lead to.
_OF_ITS_OWN = ("rev", "merge", "restore_database")

# Those that are texts, as an argument spec has it.
OPTIONS: dict[str, dict[str, Any]] = {
    name: {"type": "str"} for name in ("rev", "merge", "migration", "snapshot", "target")
}


def playbooks_of(arguments: Iterable[str]) -> list[str]:
    """Those of ours among the playbooks that ansible-playbook was given, by their names."""
    found = []
    for argument in arguments:
        path = Path(argument).resolve()
        if argument.startswith(_COLLECTION):
            found.append(argument[len(_COLLECTION) :])
        elif path.parent in (_PLAYBOOKS, _PLAYBOOKS.parent):
            found.append(path.stem)
    return [name for name in found if (_PLAYBOOKS / f"{name}.yml").is_file()]


def problems_of_words(typed: Mapping[str, Any], playbooks: list[str]) -> list[str]:
    """A word that these playbooks would not listen to: who gives one means it."""
    run = " and ".join(f"{name}.yml" for name in playbooks)
    return [
        f"{name} is {str(value)!r}, and {run} takes none; it is for "
        f"{', '.join(f'{taker}.yml' for taker in sorted(WORDS[name]))}."
        for name, value in typed.items()
        if playbooks and value not in (None, "") and name in WORDS
        if not (name in _OF_ITS_OWN and "verify_deploy" in playbooks)
        if not set(playbooks) & set(WORDS[name])
    ]
