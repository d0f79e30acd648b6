# PRIVATE to the collection: what outlives releases, in the app's folder shared/ and linked into
# their trees.
#
# The app can write in the one, a build in the other. So each half is done by a child that has
# become the user whose folder it is, and root does none of it.
from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import is_inside, remove

COPYING = 1800  # seconds for what the repository has of it, the first time


def link_shared(app: App, tree: str, paths: Sequence[str]) -> None:
    """Link what outlives releases into a tree; what the repository has there seeds it once.

    Raises GreenroomError where a link leads out of one of the two.
    """
    try:
        as_user(app.user, _seed, tree, app.shared, list(paths), timeout=COPYING)
        as_user(app.builder, _link, tree, app.shared, list(paths))
    except PermissionError as error:
        raise GreenroomError(
            f"{error.filename} belongs to somebody else. What is in {app.shared} should belong to "
            f"{app.user}: chown -h {app.user}:{app.user} {error.filename}"
        ) from error


def _seed(tree: str, shared: str, paths: Sequence[str]) -> None:
    """As the app: make what is not there, from what the repository has."""
    for path in paths:
        here, there = _inside(tree, path), _inside(shared, path)
        os.makedirs(os.path.dirname(there), 0o750, exist_ok=True)
        if os.path.lexists(there):
            continue
        try:
            if os.path.isdir(here) and not os.path.islink(here):
                shutil.copytree(here, there, symlinks=True)
            elif os.path.isfile(here) and not os.path.islink(here):
                shutil.copy(here, there)
        except shutil.Error as error:
            first = error.args[0][0][-1] if isinstance(error.args[0], list) else error
            raise GreenroomError(
                f"app_shared_paths has {path!r}, which cannot be copied into shared/: {first}"
            ) from error
        if path.endswith("/") and not os.path.lexists(there):
            os.mkdir(there, 0o750)


def _link(tree: str, shared: str, paths: Sequence[str]) -> None:
    """As the build user: put links into the tree, in the place of what is there."""
    for path in paths:
        here = _inside(tree, path)
        remove(here)
        os.makedirs(os.path.dirname(here), exist_ok=True)
        there = os.path.join(shared, path.rstrip("/"))
        os.symlink(os.path.relpath(there, os.path.dirname(here)), here)


def _inside(room: str, path: str) -> str:
    """Where a path is in a folder. Who is led out of it by a link is told."""
    inner = os.path.join(room, path.rstrip("/"))
    if not is_inside(os.path.realpath(os.path.dirname(inner)), os.path.realpath(room)):
        raise GreenroomError(f"app_shared_paths has {path!r}; {inner} leads out of {room}.")
    return inner
