# PRIVATE to the collection: what became of a merge, whatever the source control is.
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Merged:
    """What became of a merge."""

    #: the commit that the branch is at, or would be
    revision: str
    #: False where all of it was in there already
    changed: bool
    #: what came with it, newest first: short hash and subject
    commits: list[str]
