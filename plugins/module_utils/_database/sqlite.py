# PRIVATE to the collection: an app's SQLite file, as a database that can be kept and put back.
from __future__ import annotations

import inspect
import json
import os
from typing import IO, Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import must_run
from ansible_collections.greenroom.django.plugins.module_utils._database import sqlite_process
from ansible_collections.greenroom.django.plugins.module_utils._database.base import (
    Database,
    new_file,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import app_sandbox

DATA_UMASK = 0o027  # what it creates is data, and as private as what the service creates


class Sqlite(Database):
    """One SQLite file. Whatever is done with it is done as the app's user."""

    engine = "sqlite"
    label = "SQLite"
    engines = "sqlite|spatialite"
    suffix = "sqlite3"
    is_file = True

    def __init__(self, app: App, alias: str, connection: dict[str, Any]) -> None:
        super().__init__(app, alias)
        self.name = str(connection["name"])
        if not self.name:
            raise GreenroomError(
                f"The database {alias!r} cannot be snapshotted: it is in memory, and has no file."
            )
        self.folder = os.path.dirname(self.name)  # where its copies are made

    def size(self) -> int:
        """How many bytes a snapshot of it may have. Raises GreenroomError where it is not there."""
        return int(self._do("Looking at the size", "size", path=self.name))

    def migrations(self) -> list[str]:
        """The names of the migrations that were applied to it, in their order."""
        return list(self._do("Reading the migrations", "migrations", path=self.name))

    def dump(self, path: str) -> None:
        """Write a snapshot to ``path``, a new file that only root can read."""
        with new_file(path) as file:
            self._do("Taking a snapshot", "dump", stdout=file, path=self.name)
            os.fsync(file.fileno())

    def verify(self, path: str) -> None:
        """Refuse a snapshot that is damaged. Raises GreenroomError."""
        with open(path, "rb") as file:
            self._do("Checking the snapshot", "check", stdin=file, folder=self.folder)

    def check_restore(self) -> None:
        """Nothing stands in the way of putting a snapshot back: a file is all that it takes."""

    def restore(self, path: str) -> str:
        """Make a fresh database of the snapshot at ``path``, beside this one; its name.

        Raises GreenroomError, and leaves nothing, where the snapshot is damaged.
        """
        fresh = f"{self.name}_restore"
        with open(path, "rb") as file:
            self._do("Restoring", "restore", stdin=file, path=self.name, fresh=fresh)
        return fresh

    def name_before(self, time: str) -> str:
        """What this database is called when another took its place at ``time``."""
        return f"{self.name}_before_{time}"

    def swap(self, fresh: str, before: str) -> None:
        """Have the database ``fresh`` take the place of this one, which is then called ``before``.

        Raises GreenroomError, with all as it was, where somebody else is at work in it.
        The way back is ``swap(before, fresh)``.
        """
        self._do("Swapping", "swap", path=self.name, fresh=fresh, before=before)

    def replaced(self) -> list[str]:
        """The databases that were kept at a swap, oldest first."""
        return list(self._do("Looking for what was kept", "kept", path=self.name))

    def drop(self, name: str) -> None:
        """Remove a database that was kept, or a fresh one that is not wanted."""
        self._do("Removing what is not needed", "remove", path=name)

    def _do(
        self,
        what: str,
        action: str,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        **arguments: str,
    ) -> Any:
        """What a function of sqlite_process answers."""
        script = inspect.getsource(sqlite_process)
        answer = must_run(
            f"{what} of the database {self.alias!r} ({self.name})",
            ["python3", "-c", script, json.dumps({"do": action, **arguments})],
            user=app_sandbox(self.app).without_network(),
            stdin=stdin,
            stdout=stdout,
            umask=DATA_UMASK,
        )
        return json.loads(answer) if answer.strip() else None
