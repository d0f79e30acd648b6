# PRIVATE to the collection: what every database answers; each kind has a file beside this one.
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import IO, Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App


class Database:
    """A database of the app's settings, which snapshots are taken of and restored to.

    All that works on it may raise GreenroomError.
    """

    #: its kind, as Django calls it (``connection.vendor``) and snapshots have it
    engine: str
    #: its kind, for people
    label: str
    #: what ENGINE of the settings has in it: Django's own, and those of others that build on them
    engines: str
    #: what the file of a snapshot ends with
    suffix: str
    #: Debian packages of the programs that take its snapshots, where its server is elsewhere
    client_packages: tuple[str, ...] = ()
    #: whether it is a file, of one host, and not a server that all hosts of an environment share
    is_file: bool
    #: statements for each session of a migration, which must not keep the site waiting for a lock
    impatience: tuple[str, ...] = ()
    #: the SQLSTATE of a statement that got no lock in time
    lock_timeout_state = ""
    #: where its copies are made, beside the folder of snapshots; empty where a server does that
    folder = ""
    #: where it is: the path of a file, or the name on its server
    name: str

    def __init__(self, app: App, alias: str) -> None:
        self.app = app
        self.alias = alias

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:  # noqa: ARG004 - of some alone
        """What is wrong with settings that are right with another kind of database."""
        return []

    @staticmethod
    def inventory_problems(
        app_name: str,  # noqa: ARG004 - a file has no name on a server
        hosts: Sequence[str],  # noqa: ARG004 - the release itself refuses one file for several
        database: Sequence[str],  # noqa: ARG004
        addresses: Mapping[str, str],  # noqa: ARG004
    ) -> list[str]:
        """What is wrong with the inventory for an app with this kind of database.

        ``hosts`` are those of the environment, ``database`` those of the group of that name, and
        ``addresses`` the address of each.
        """
        return []

    def size(self) -> int:
        """How many bytes a snapshot may have."""
        raise NotImplementedError

    def migrations(self) -> list[str]:
        """The names of the migrations that were applied, in their order."""
        raise NotImplementedError

    def dump(self, path: str) -> None:
        """Write a snapshot to ``path``, a new file that only root can read."""
        raise NotImplementedError

    def verify(self, path: str) -> None:
        """Refuse a snapshot that is damaged."""
        raise NotImplementedError

    def check_restore(self) -> None:
        """Refuse where a snapshot cannot be restored, before anything is changed."""

    def restore(self, path: str) -> str:
        """Make a fresh database of the snapshot at ``path``, whole or not at all; its name."""
        raise NotImplementedError

    def name_before(self, time: str) -> str:
        """The name of this database when another took its place at ``time``."""
        raise NotImplementedError

    def swap(self, fresh: str, before: str) -> None:
        """Put the database ``fresh`` in the place of this one, which is then called ``before``.

        Where that cannot be, all is as it was. The way back is ``swap(before, fresh)``.
        """
        raise NotImplementedError

    def replaced(self) -> list[str]:
        """The names of the databases that were kept at a swap, oldest first."""
        raise NotImplementedError

    def drop(self, name: str) -> None:
        """Remove a database that was kept, or a fresh one that is not needed."""
        raise NotImplementedError


def new_file(path: str) -> IO[bytes]:
    """Open a file that was not there, and that nobody but its owner can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
