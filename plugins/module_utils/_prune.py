# PRIVATE to the collection: removing releases that nobody will go back to.
from __future__ import annotations

import os

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder


def prune(app: App, journal: Journal, keep: set[int]) -> list[int]:
    """Remove the releases that are not in ``keep``, then the virtualenvs that no other needs.

    Only what the journal knows is a release; the numbers that were removed, in order.
    """
    removed = []
    for entry in journal.entries:
        number = entry["number"]
        if number in keep or entry.get("pruned"):
            continue
        entry["pruned"] = True
        removed.append(number)
    # The journal first: a release that it calls pruned is never gone back to, removed or half
    # removed.
    journal.write()
    for entry in journal.entries:
        if entry.get("pruned"):
            remove_from(app.releases, str(entry["number"]))
            remove(app.environment(entry["number"]))
    needed = app.virtualenvs_in_use()
    for name in os.listdir(app.venvs):
        if name not in needed:
            remove_from(app.venvs, name)
    return removed


def remove_from(top: str, name: str) -> None:
    """Remove a tree that builds could write to from a folder of root's."""
    with Folder.open(top) as folder:
        folder.remove(name)
