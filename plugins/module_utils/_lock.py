# PRIVATE to the collection: one deploy or rollback of an app on a host at a time.
from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_json

# Seconds without a sign of life after which a lock counts as left behind. Every step of a run
# renews it, so this is how long one step may take, an unlucky build of a virtualenv included.
LEASE = 3600


class Lock:
    """A lease in a file. ``holder`` says who runs: token, by, controller, pid, since (Unix seconds)."""

    def __init__(self, path: str) -> None:
        self.path = path

    def holder(self) -> dict[str, Any] | None:
        """Who holds it now, or None; a lease that ran out is held by nobody."""
        try:
            if time.time() - os.stat(self.path).st_mtime > LEASE:
                return None
            with open(self.path, encoding="utf-8") as file:
                return dict(json.load(file))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return {"token": None, "by": "a run that left no name", "since": time.time()}

    def check(self, holder: dict[str, Any], dead: str | None = None) -> dict[str, Any] | None:
        """Who holds it, where that is no obstacle for ``holder``; see take()."""
        other = self.holder()
        if other is None or other["token"] in (holder["token"], dead):
            return other
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
        for _attempt in range(3):
            other = self.check(holder, dead)
            if other is not None or os.path.exists(self.path):
                self._move_away(other)
            if self._create(holder):
                return
        raise GreenroomError(f"Somebody else took {self.path} at this very moment; try again.")

    def renew(self) -> None:
        """Say that the holder is alive. Nothing happens where the lock is not held."""
        if os.path.exists(self.path):
            os.utime(self.path)

    def release(self, token: str) -> bool:
        """Give it back, if ``token`` holds it; whether it was held."""
        holder = self.holder()
        if holder is None or holder["token"] != token:
            return False
        os.unlink(self.path)
        return True

    def _create(self, holder: dict[str, Any]) -> bool:
        """Make the file with all its content at once, or find that somebody else did."""
        draft = f"{self.path}.{holder['token']}"
        write_json(draft, holder, mode=0o600)
        try:
            os.link(draft, self.path)
        except FileExistsError:
            return False
        finally:
            os.unlink(draft)
        return True

    def _move_away(self, stale: dict[str, Any] | None) -> None:
        """Remove a stale lock, unless another run replaced it since we looked."""
        aside = f"{self.path}.stale.{os.getpid()}"
        try:
            os.rename(self.path, aside)
        except FileNotFoundError:
            return
        with open(aside, encoding="utf-8") as file:
            moved = file.read()
        if stale is not None and stale["token"] is not None and stale["token"] not in moved:
            os.rename(aside, self.path)  # not the one we judged: back it goes
            return
        os.unlink(aside)
