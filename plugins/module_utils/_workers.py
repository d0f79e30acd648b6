# PRIVATE to the collection: whether the workers of a release crash, by the log of the release.
from __future__ import annotations

import re

# gunicorn starts another worker at once, so a site whose workers crash one after the other answers,
# now and then. It logs nothing of the workers that it ends itself, as after so many requests.
_CRASHED = re.compile(
    r"Worker \(pid:\d+\) (?:exited with code [1-9].*|was sent SIG(?!TERM).*|crashed)"
)


def first_crash(log: str) -> str:
    """The line of the first worker that crashed; empty where none did."""
    found = _CRASHED.search(log)
    return found.group() if found else ""


def crash_line(pid: int) -> str:
    """A line for first_crash(), where a release's processes log no crash themselves."""
    return f"Worker (pid:{pid}) crashed\n"
