# PRIVATE to the collection: what every source control answers; each has a file beside this one.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ansible_collections.greenroom.django.plugins.module_utils._probe import RepositoryProbe
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import Sandbox


class Source(Protocol):
    """A fetched repository on the host, without a working copy: what every one can be asked for.

    Nothing here goes over the network, but for fetch() and ask().
    """

    #: its program's Debian packages
    packages: tuple[str, ...]
    #: the branch that a new repository has
    default_branch: str
    #: where it is, in the build user's home
    folder: str
    #: what the name of a repository that is pushed to ends with
    push_suffix: str = ""
    #: the templates of the role checkout that lead it to a repository, and those with the token
    access_files: tuple[str, ...] = ()
    token_files: tuple[str, ...] = ()
    #: what to say of an address of ssh that cannot be reached
    ssh_hint: str = ""
    #: variables, or patterns of them, by which a hook would lead it to another repository
    hook_variables: tuple[str, ...] = ()
    #: whether a plain number names a commit
    counts: bool
    #: by what a repository of its kind is known
    probe: RepositoryProbe
    #: what to type so that a file, {0}, is not in version control any more
    untrack: str
    #: the file that names other repositories, and what those are called; they are not fetched
    others: tuple[str, str]

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:  # noqa: ARG004 - of some alone
        """What is wrong with settings that are right with another source control."""
        return []

    @staticmethod
    def path_in_address(path: str) -> str:
        """An absolute path as it follows the host in ``ssh://host``."""
        return path

    @staticmethod
    def access_variables(access: str) -> dict[str, str]:  # noqa: ARG004 - of some alone
        """The variables that lead a build to repositories, by the files in ``access``."""
        return {}

    @staticmethod
    def how_to_push(address: str, app_name: str, environment: str, branch: str) -> str:
        """What to type on one's own machine so that a push to ``address`` is a deploy."""

    def __init__(self, path: str, user: str | Sandbox) -> None:
        """Know the repository at ``path``, which belongs to ``user``: what asks it is that."""

    def is_fetched(self) -> bool:
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
