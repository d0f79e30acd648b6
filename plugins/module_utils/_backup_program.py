# PRIVATE to the collection: a snapshot at a time of the day, with no controller. A timer on the
# host runs this; what it prints goes to the journal of its service.
from __future__ import annotations

import argparse
import secrets
import socket
import sys
import time
from collections.abc import Sequence

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import (
    back_up,
    serving_release,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock
from ansible_collections.greenroom.django.plugins.module_utils._text import message

PATIENCE = 3600  # seconds that it waits for a deploy to end
PAUSE = 15
BY = f"timer@{socket.gethostname()}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Take a snapshot; the exit status."""
    parser = argparse.ArgumentParser(description="Takes a snapshot of an app's databases.")
    parser.add_argument("app")
    parser.add_argument("--databases", nargs="+", required=True)
    parser.add_argument("--keep", type=int, required=True)
    parser.add_argument("--days", type=int, required=True)
    options = parser.parse_args(arguments)
    try:
        print(take_turn(App(options.app), options.databases, options.keep, options.days))
    except GreenroomError as error:
        print(message(str(error)), file=sys.stderr)
        return 1
    return 0


def take_turn(app: App, databases: list[str], keep: int, days: int) -> str:
    """Take a snapshot when nobody else is at work; what was done. Raises GreenroomError."""
    if app.serving() is None:
        return f"Nothing of {app.name} serves here yet, so there is nothing to back up."
    lock, token = Lock(app.lock), secrets.token_hex(8)
    holder = {"token": token, "by": BY, "controller": "", "pid": 0, "since": time.time()}
    wait_for(lock, holder)
    try:
        with lock.step(token, "backup"):
            pending = Journal.read(app.journal).pending
            if pending and pending.restore:
                raise GreenroomError(
                    "A restore did not come to its end, so these may not be the app's own rows. "
                    "The next run of a playbook undoes it."
                )
            number = serving_release(app)
            taken = back_up(app, number, databases, "by the clock", BY, keep, days)
    finally:
        lock.release(token)
    pruned = f" Removed: {', '.join(taken['pruned'])}." if taken["pruned"] else ""
    return f"Took the snapshot {taken['name']}.{pruned}"


def wait_for(lock: Lock, holder: dict[str, object]) -> None:
    """Take the lock, once whoever has it is done. Raises GreenroomError after an hour."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            lock.take({**holder, "since": time.time()})
        except GreenroomError:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return
