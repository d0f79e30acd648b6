# PRIVATE to the collection: showing lines to the person at the terminal.
from __future__ import annotations

from ansible.utils.display import Display


def show(text: str) -> None:
    """Print it as it is, whatever the output's format is.

    Who may commit writes subjects, and must not get to write to the terminal itself.
    """
    Display().display("".join(c for c in text.rstrip() if c.isprintable() or c == "\n"))
