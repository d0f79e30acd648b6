# PRIVATE to the collection: the registry of databases. Adding one is a file here and a line below:
# see docs/adding-a-backend.md.
from __future__ import annotations

import re
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database.base import Database
from ansible_collections.greenroom.django.plugins.module_utils._database.postgresql import (
    Postgresql,
)
from ansible_collections.greenroom.django.plugins.module_utils._database.sqlite import Sqlite
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

# By the values of app_database; the first one is the default.
DATABASES: dict[str, type[Database]] = {
    "sqlite": Sqlite,
    "postgresql": Postgresql,
}


def database_of(app: App, alias: str, connection: dict[str, Any]) -> Database:
    """The database ``alias`` of the app's settings, from what the Django process says of it.

    Raises GreenroomError for an engine that no snapshot can be taken of.
    """
    for kind in DATABASES.values():
        if re.search(kind.engines, connection["engine"]):
            return kind(app, alias, connection)  # type: ignore[call-arg]  # each has its own part
    raise GreenroomError(
        f"The database {alias!r} cannot be snapshotted: its ENGINE is {connection['engine']!r}, "
        f"and Greenroom supports {' and '.join(kind.label for kind in DATABASES.values())}. Leave "
        "it out of app_databases and back it up with its own tools."
    )


def databases_of(
    app: App, aliases: list[str], connections: dict[str, dict[str, Any]]
) -> dict[str, Database]:
    """The databases called ``aliases``; ``connections`` is the answer of the Django process.

    Raises GreenroomError where the settings lack one, or for an engine of the wrong kind.
    """
    missing = [alias for alias in aliases if alias not in connections]
    if missing:
        raise GreenroomError(
            f"app_databases names {missing[0]!r}; the settings have "
            f"{', '.join(sorted(connections))}."
        )
    return {alias: database_of(app, alias, connections[alias]) for alias in aliases}


def traits() -> dict[str, dict[str, Any]]:
    """What a Django process, which imports nothing of this, has to know of each kind."""
    names = ("engine", "label", "engines", "is_file", "impatience", "lock_timeout_state")
    return {
        name: {trait: getattr(kind, trait) for trait in names} for name, kind in DATABASES.items()
    }
