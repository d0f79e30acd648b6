# PRIVATE to the collection: a snapshot of what an app uses now, asked for by a person or a timer.
from __future__ import annotations

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database import databases_of
from ansible_collections.greenroom.django.plugins.module_utils._database.base import Database
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    read_manifest,
    start_django,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._snapshot import prune, take

TIMEOUT = 300  # seconds for a Django start


def serving_release(app: App) -> int:
    """The number of the release that serves, which knows the databases. Raises GreenroomError."""
    number = app.serving()
    if number is None:
        raise GreenroomError(
            f"No release of {app.name} serves on this host, and it is a release that knows the "
            "databases. Deploy one first."
        )
    return number


def databases_in_use(app: App, number: int, aliases: list[str]) -> dict[str, Database]:
    """The databases called ``aliases``, as release ``number`` reaches them: one Django start."""
    request = {
        "steps": [],
        "connections": True,
        "databases": aliases,
        "tree": app.release(number),
        "static_root": "",
        "static_url": "",
        "wsgi": "",
    }
    found = start_django(app, number, read_manifest(app, number), request, TIMEOUT)
    return databases_of(app, aliases, found["connections"])


def back_up(
    app: App, number: int, aliases: list[str], reason: str, by: str, keep: int, days: int
) -> dict[str, Any]:
    """Take a snapshot of what release ``number`` uses, and prune older ones.

    What a release in the journal may have to go back to is kept. Returns ``name`` and ``pruned``.
    """
    for carried in app.carried():  # of a rehearsal that was killed
        remove(carried)
    name = take(app, number, databases_in_use(app, number, aliases), reason, by)
    return {"name": name, "pruned": prune(app, keep, days, needed(Journal.read(app.journal)))}


def needed(journal: Journal) -> set[str]:
    """The snapshots that releases which are still on disk name in the journal."""
    return {
        entry["migrations"]["snapshot"]
        for entry in journal.entries
        if entry.get("migrations") and not entry.get("pruned")
    }
