# PRIVATE to the collection: the databases of an app, by their engines. Adding one is a file here,
# and a line below.
from __future__ import annotations

import re
from typing import Any, Union

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database.postgresql import (
    Postgresql,
)
from ansible_collections.greenroom.django.plugins.module_utils._database.sqlite import Sqlite
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

Database = Union[Sqlite, Postgresql]

# What ENGINE has in it: Django's own, and those of others that build on them.
_ENGINES: dict[str, type[Any]] = {
    "sqlite|spatialite": Sqlite,
    "postgres|postgis": Postgresql,
}


def database_of(app: App, alias: str, connection: dict[str, Any]) -> Database:
    """The database ``alias`` of the app's settings, from what the Django process says of it.

    Raises GreenroomError for an engine that no snapshot can be taken of.
    """
    for pattern, kind in _ENGINES.items():
        if re.search(pattern, connection["engine"]):
            database: Database = kind(app, alias, connection)
            return database
    raise GreenroomError(
        f"The database {alias!r} cannot be snapshotted: its ENGINE is {connection['engine']!r}, "
        "and Greenroom knows SQLite and PostgreSQL. Leave it out of app_databases and back it up "
        "with its own tools."
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
