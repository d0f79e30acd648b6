# PRIVATE to the collection: how Mercurial's changesets are asked for, on a host and the controller.
from __future__ import annotations

from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

# What there is to know of a changeset, a line of JSON each.
CHANGESET = '{dict(rev, node, branch, tags, bookmarks, closed=get(extras, "close"))|json}\n'


def quoted(text: str) -> str:
    """A text as revsets have it, in which no character of it has a meaning."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def tips(branch: str, changesets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tip of a branch among its heads, as Mercurial's own merge takes it.

    Heads that were closed don't count while there are others, and neither do those that a bookmark
    leads to. Raises GreenroomError where nobody can know which is meant.
    """
    heads = [c for c in changesets if c["branch"] == branch]
    heads = [c for c in heads if not c["closed"]] or heads[-1:]
    heads = [c for c in heads if not c["bookmarks"]] or heads
    if len(heads) > 1:
        listed = ", ".join(c["node"][:12] for c in heads)
        raise GreenroomError(
            f"The branch {branch!r} has {len(heads)} heads ({listed}), and nobody can know which "
            "is meant: merge them, and push that; or name one, with -e rev=…."
        )
    return heads
