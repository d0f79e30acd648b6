# PRIVATE to the collection: whether the workers of a release live, by what is written of them.
from __future__ import annotations

import re

# gunicorn starts another at once, so a site whose workers die one after the other answers, now and
# then. Those that it ends itself, as after so many requests, it does not write of.
_DIED = re.compile(
    r"Worker \(pid:\d+\) (?:exited with code [1-9]|was sent SIG(?!TERM)).*"
    r"|A process of Apache's died \(pid:\d+\)"
)


def first_death(log: str) -> str:
    """The line which says that a worker died; empty where none did."""
    found = _DIED.search(log)
    return found.group() if found else ""
