# PRIVATE to the collection: the one exception that a module turns into its failure message.
from __future__ import annotations


class GreenroomError(Exception):
    """Something a user can act on.

    The message is one or more plain sentences: what was found, what it should be, what to do next.
    ``details`` (a dict) is returned beside it, for people who script against the result.
    """

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class TimeLimitError(GreenroomError):
    """A command was ended since it took longer than it may."""
