# PRIVATE to the collection: the register of source controls that the controller can clone.
# Adding one is a file here and a line below.
from __future__ import annotations

from typing import Protocol

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.plugin_utils._clone import git, hg
from ansible_collections.greenroom.django.plugins.plugin_utils._merged import Merged


class Clone(Protocol):
    """What the controller does with a repository of one kind, in a clone of its own."""

    def merge(self, repository: str, branch: str, into: str, push: bool = True) -> Merged:
        """Merge ``branch`` into ``into`` in a fresh clone, and push the result unless told not to.

        Raises GreenroomError where that cannot be done; then nothing was pushed.
        """

    def check_out(self, repository: str, revision: str, folder: str) -> None:
        """Put the tree of a revision into a folder that is empty.

        Raises GreenroomError where that cannot be done.
        """

    def answers(self, repository: str) -> bool:
        """Whether there is a repository of this kind at an address.

        Raises GreenroomError where that cannot be known here.
        """


CLONES: dict[str, Clone] = {
    "git": git,
    "hg": hg,
}


def reason(error: GreenroomError, repository: str, asked: str) -> str:
    """Why something failed; in other words where the repository is not of the kind ``asked``."""
    kinds = [] if _answers(asked, repository) else [kind for kind in CLONES if kind != asked]
    for kind in kinds:
        if _answers(kind, repository):
            return (
                f"app_source_control is {asked}, and {repository} is a repository of {kind}; "
                f"nothing was pushed. Set app_source_control to {kind}, run site.yml, and deploy "
                "again; or name another repository."
            )
    return str(error)


def _answers(kind: str, repository: str) -> bool:
    try:
        return CLONES[kind].answers(repository)
    except GreenroomError:
        return False  # its program is not here
