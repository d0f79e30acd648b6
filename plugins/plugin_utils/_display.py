# PRIVATE to the collection: showing lines to the person at the terminal.
from __future__ import annotations

from ansible.utils.display import Display
from ansible_collections.greenroom.django.plugins.module_utils._text import printable


def show(text: str) -> None:
    """Print it as it is, whatever the output's format is.

    Who may commit writes subjects, and must not get to write to the terminal itself.
    """
    Display().display(printable(text.rstrip()))
