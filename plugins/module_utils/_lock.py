# PRIVATE to the collection: one deploy or rollback of an app on a host at a time.
from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_json

# Seconds without a sign of life after which a lock counts as left behind. Every step of a run
# renews it, so this is how long one step may take, an unlucky build of a virtualenv included.
LEASE = 3600


class Lock:
    """A lease in a file.

    ``holder`` says who runs: token, by, controller, pid, since (Unix seconds).
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def holder(self) -> dict[str, Any] | None:
        """Who holds it now, or None; a lease that ran out is held by nobody."""
        try:
            with open(self.path, "rb") as file:
                renewed, content = os.fstat(file.fileno()).st_mtime, file.read()
        except FileNotFoundError:
            return None
        if time.time() - renewed > LEASE:
            return None
        nameless = {"token": None, "by": "a run that left no name", "since": renewed}
        try:
            return {**nameless, **json.loads(content)}
        except (ValueError, TypeError):
            return nameless

    def check(self, holder: dict[str, Any], dead: str | None = None) -> None:
        """Nothing, where ``holder`` could take it; see take()."""
        other = self.holder()
        if other is None or (other["token"] and other["token"] in (holder["token"], dead)):
            return
        minutes = (time.time() - other["since"]) / 60
        raise GreenroomError(
            f"{other['by']} is deploying or rolling back here, since {minutes:.0f} min "
            f"({time.strftime('%H:%M:%S UTC', time.gmtime(other['since']))}). "
            f"Try again when that run has ended. If it is dead: rm {self.path}",
            holder=other,
        )

    def take(self, holder: dict[str, Any], dead: str | None = None) -> None:
        """Take it for ``holder``; a lock whose token is ``dead`` is taken over.

        Raises GreenroomError, saying who holds it and since when, when somebody else does.
        """
        with self._turn():
            self.check(holder, dead)
            write_json(self.path, holder, mode=0o600)

    def renew(self) -> None:
        """Say that the holder is alive. Nothing happens where the lock is not held."""
        with suppress(FileNotFoundError):
            os.utime(self.path)

    def release(self, token: str) -> bool:
        """Give it back, if ``token`` holds it; whether it was held."""
        with self._turn():
            holder = self.holder()
            if holder is None or holder["token"] != token:
                return False
            os.unlink(self.path)
            return True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Nobody else looks and writes meanwhile. The kernel ends the turn of one that dies."""
        descriptor = os.open(f"{self.path}.turn", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
