# PRIVATE to the collection: the journal, the list of an app's releases on a host.
#
# It is the only truth about order. File times and folder names are never asked.
from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_json
from ansible_collections.greenroom.django.plugins.module_utils._pending_change import (
    PendingChange,
    from_json,
    to_json,
)

# How a release ended, or where it is.
BUILDING = "building"  # being made, or left like that by a run that died
GOOD = "good"  # took the stage and passed
BAD = "bad"  # took the stage, and was rolled back from
FAILED = "failed"  # never got through

Entry = dict[str, Any]


class Journal:
    """The releases of one app on one host, oldest first.

    Each entry is a dict with at least ``number``, ``revision``, ``result``, and ``before``: the
    number of the release that served when this one took the stage (None for the first).

    ``pending`` is the change that a run is in the middle of, or was when it was interrupted. Only
    _recovery.py sets it.
    """

    def __init__(
        self, path: str, entries: Iterable[Entry] = (), pending: PendingChange | None = None
    ) -> None:
        self.path = path
        self.entries = list(entries)
        self.pending = pending

    @classmethod
    def read(cls, path: str) -> Journal:
        """The journal at ``path``; an empty one where there is none yet.

        Raises GreenroomError for a file that is not a journal, or has a pending change that is
        unknown: nothing is guessed then.
        """
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            entries = content["releases"]
            for entry in entries:
                if not isinstance(entry["number"], int) or not isinstance(entry["result"], str):
                    raise TypeError("an entry without number and result")
        except FileNotFoundError:
            return cls(path)
        except (ValueError, KeyError, TypeError) as error:
            raise GreenroomError(
                f"{path} is damaged ({error}). Put a copy of it back, or move it away and deploy: "
                "a new journal then starts above the releases that are on disk."
            ) from error
        pending = content.get("pending")
        try:
            return cls(path, entries, from_json(pending) if pending is not None else None)
        except ValueError as error:
            raise GreenroomError(
                f"{path} has a pending change that this version of Greenroom does not know "
                f"({error}): {json.dumps(pending)}. Deploy with the version that wrote it, which "
                'finishes or undoes the change. If the app is well as it is, remove "pending" from '
                "the file instead."
            ) from error

    def write(self) -> None:
        """Save it, in one step. Only root can read it: it says who did what."""
        content: dict[str, Any] = {"releases": self.entries}
        if self.pending:
            content["pending"] = to_json(self.pending)
        write_json(self.path, content, mode=0o640)

    def last_number(self) -> int:
        """The highest number that was ever given, 0 where none was."""
        return max((entry["number"] for entry in self.entries), default=0)

    def find(self, number: int | None) -> Entry | None:
        """The entry of release ``number``, or None."""
        return next((entry for entry in self.entries if entry["number"] == number), None)

    def get(self, number: int) -> Entry:
        """The entry of release ``number``. Raises GreenroomError where there is none."""
        entry = self.find(number)
        if entry is None:
            raise GreenroomError(f"There is no release {number} in {self.path}.")
        return entry

    def add(self, entry: Entry) -> None:
        """Append a new release. Raises GreenroomError when its number was given before."""
        if entry["number"] <= self.last_number():
            raise GreenroomError(f"Release {entry['number']} is not a new number in {self.path}.")
        self.entries.append(entry)

    def before(self, number: int | None) -> int | None:
        """The release to go back to from ``number``: what served before it took the stage.

        The bad ones are skipped, and so are those that are gone from disk. Since each entry keeps
        what it replaced, a second rollback goes one further back, and never forward again.
        """
        return next(iter(self.way_back(number)), None)

    def way_back(self, number: int | None) -> list[int]:
        """All that before() leads to from ``number``, nearest first."""
        numbers: list[int] = []
        seen = {number}
        entry = self.find(number)
        while entry is not None:
            entry = self.find(entry.get("before"))
            if entry is None or entry["number"] in seen:  # a circle, in a journal edited by hand
                break
            seen.add(entry["number"])
            if entry["result"] == GOOD and not entry.get("pruned"):
                numbers.append(entry["number"])
        return numbers

    def on_disk(self) -> list[Entry]:
        """The releases that took the stage once and can take it again, newest first."""
        kept = [e for e in self.entries if e["result"] in (GOOD, BAD) and not e.get("pruned")]
        return sorted(kept, key=lambda entry: -entry["number"])

    def to_keep(self, serving: int | None, count: int) -> set[int]:
        """The ``count`` releases that retention keeps.

        The one that serves comes first, then the way back from it, then other good ones, newest
        first. Bad ones are not worth a place.
        """
        others = [e["number"] for e in self.on_disk() if e["result"] == GOOD]
        wanted = [serving, *self.way_back(serving), *others]
        return set(list(dict.fromkeys(n for n in wanted if n is not None))[: max(count, 1)])
