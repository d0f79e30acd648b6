# PRIVATE to the collection: what became of a merge, whatever the source control is.
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

ATTEMPTS = 3  # of them, all but the first where somebody else pushed in between


@dataclass(frozen=True)
class Merged:
    """What became of a merge."""

    #: the commit that the branch is at, or would be
    revision: str
    #: False where all of it was in there already
    changed: bool
    #: what came with it, newest first: short hash and subject
    commits: list[str]


def conflict(branch: str, into: str, files: Sequence[str]) -> GreenroomError:
    """Both changed the same lines of some files."""
    return GreenroomError(
        f"{branch} and {into} both changed {', '.join(files)}, in ways that don't go "
        f"together; nothing was pushed. Merge {into} into {branch}, settle it there, push "
        "that, and deploy again."
    )


def failure(branch: str, into: str, said: str) -> GreenroomError:
    """The merge failed for a reason that only the source control knows."""
    return GreenroomError(f"{branch} cannot be merged into {into}; nothing was pushed:\n{said}")


def refusal(branch: str, into: str, said: str) -> GreenroomError:
    """The repository did not take the result, and nobody was faster."""
    return GreenroomError(
        f"{branch} was merged into {into} here, and the repository refused it; nothing "
        f"was pushed:\n{said}"
    )


def always_late(branch: str, into: str) -> GreenroomError:
    """Somebody else was faster, each time."""
    return GreenroomError(
        f"{branch} was merged into {into} here {ATTEMPTS} times, and each time somebody else had "
        "pushed there meanwhile; nothing was pushed. Deploy again."
    )
