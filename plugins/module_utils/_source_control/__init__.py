# PRIVATE to the collection: the register of source controls. Adding one is a file here, and a line
# in the register: see docs/adding-a-backend.md.
from __future__ import annotations

import os
from typing import Protocol

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import (
    Sandbox,
    source_sandbox,
)
from ansible_collections.greenroom.django.plugins.module_utils._sign import Sign
from ansible_collections.greenroom.django.plugins.module_utils._source_control.git import Git
from ansible_collections.greenroom.django.plugins.module_utils._source_control.hg import Mercurial


class Source(Protocol):
    """A fetched repository on the host, without a working copy: what every one can be asked for.

    Nothing here goes over the network, but for fetch() and ask().
    """

    #: where it is, in the build user's home
    folder: str
    #: whether a plain number names a commit
    counts: bool
    #: by what a repository of its kind is known
    sign: Sign
    #: what to type so that a file, {0}, is not in version control any more
    untrack: str
    #: the file that names other repositories, and what those are called; they are not fetched
    others: tuple[str, str]

    def __init__(self, path: str, user: str | Sandbox) -> None:
        """Know the repository at ``path``, which belongs to ``user``: what asks it is that."""

    def is_here(self) -> bool:
        """Whether it was ever fetched."""

    def fetch(self, repository: str, timeout: float) -> None:
        """Bring all that the repository at an address has, and keep nothing else.

        ``timeout`` is in seconds. Raises GreenroomError where it cannot be reached.
        """

    def ask(self, repository: str, rev: str, timeout: float) -> str:
        """The commit that ``rev`` means in the repository at an address, and fetch nothing.

        It is ``rev`` itself where there is none of that name.
        """

    def unlock(self) -> None:
        """Take away what a fetch that was killed left, and that the next one would stumble over.

        Nobody else is at work there.
        """

    def awaits(self, rev: str) -> bool:
        """Whether ``rev`` is a commit by its looks, and not here: one that a fetch would bring."""

    def resolve(self, rev: str) -> str:
        """The full hash of the commit that ``rev`` means.

        Raises GreenroomError when it means none.
        """

    def meaning(self, rev: str) -> str:
        """What ``rev`` was taken for, where it could be several things; else nothing."""

    def subject(self, revision: str) -> str:
        """The first line of a commit's message."""

    def tags(self, revision: str) -> list[str]:
        """The tags that are on a commit."""

    def between(self, old: str, new: str, count: int = 20) -> list[str]:
        """The commits in ``new`` and not in ``old``, newest first: short hash and subject."""

    def has(self, revision: str, path: str) -> bool:
        """Whether a revision has a file or folder of that name; it has the empty one."""

    def read(self, revision: str, path: str) -> str | None:
        """The text of a file in a revision, or None where there is no such file."""

    def export(self, revision: str, folder: str) -> None:
        """Write the tree of a revision into an empty folder, and nothing of its history beside it.

        Its files are for their owner and group alone.
        """


# Spelled out, since a module takes only what it imports by name along to the host.
SOURCES: dict[str, type[Source]] = {
    "git": Git,
    "hg": Mercurial,
}


def source_of(app: App, source_control: str) -> Source:
    """The fetched repository of ``app``.

    Raises GreenroomError where there is no source control of that name.
    """
    kind = _registry.get(SOURCES, "source_control", source_control)
    return kind(os.path.join(app.build, kind.folder), source_sandbox(app))
