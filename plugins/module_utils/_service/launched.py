# PRIVATE to the collection: what is the same for all service managers that start a release with the
# launcher, roles/gunicorn/files/launch, and keep its log in a file.
from __future__ import annotations

import os
import re
from datetime import datetime

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import meaningful_lines
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._http import connect_to

START_TIMEOUT = 120  # seconds until a release must listen
STOP_TIMEOUT = 600  # seconds until one that stops must be gone

# What the launcher writes when it starts a release, what gunicorn writes when it gets as far as the
# app, and how it begins its lines.
STARTS = "greenroom: starting "
BOOTS = "Booting worker"
_WHEN = re.compile(r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\]")
TAIL = 2**18  # bytes of a log that are looked at


def listens(path: str) -> bool:
    """Whether something accepts connections on a unix socket."""
    try:
        connect_to(path, 1).close()
    except OSError:
        return False
    return True


def read_end(path: str) -> str:
    """The end of a log, empty where there is none. What went through a terminal is as it was."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.stat(path).st_size - TAIL))
            return file.read().decode("utf-8", "replace").replace("\r\n", "\n")
    except FileNotFoundError:
        return ""


def of_last_start(text: str) -> str:
    """What a log has of the last start, and is telling.

    Where that has got no further than gunicorn itself, what crashes is only just started again:
    then it is the start before.
    """
    starts = [start.partition("\n")[2] for start in text.split(STARTS)]
    if len(starts) > 2 and BOOTS not in starts[-1] and BOOTS in starts[-2]:
        del starts[-1]
    return meaningful_lines(starts[-1])


def written_since(text: str, since: float) -> str:
    """What a log has from the first line on that gunicorn wrote since a moment."""
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        found = _WHEN.match(line)
        if found:
            when = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S %z").timestamp()
            if when >= int(since):
                return "".join(lines[number:])
    return ""


def remove_logs(app: App, folder: str, prefix: str) -> None:
    """Remove the logs of releases that are no more, with what was rotated away of them."""
    pattern = re.compile(rf"{re.escape(prefix)}(\d+)\.log(\.\d+)?(\.gz)?")
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        whose = pattern.fullmatch(name)
        if whose and not os.path.isdir(app.release(int(whose[1]))):
            remove(os.path.join(folder, name))
