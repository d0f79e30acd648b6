# PRIVATE to the collection: the words that are typed with -e.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Words of the command line that only some playbooks know, and what the others would make of them.
_PLAYBOOKS = {
    "merge": (["deploy"], "deploy.yml merges a branch"),
    "rev": (["deploy", "rollback"], "deploy.yml and rollback.yml go to one"),
    "gate": (["deploy", "promote"], "deploy.yml and promote.yml pass it"),
}


def problems_of_words(settings: Mapping[str, Any]) -> list[str]:
    """A word that this playbook would not listen to: who gives one means it."""
    action = settings.get("release_action")
    return [
        f"{name} is {str(settings[name])!r}, and {action}.yml takes none; {who}."
        for name, (actions, who) in _PLAYBOOKS.items()
        if action and settings.get(name) and action not in actions
    ]
