"""What the steps of a run are called, of those that go to the host."""

from __future__ import annotations

#: the steps of a deploy and of a rollback that go to the host, and what their tasks are called
DEPLOY = {
    "begin": "Check the host and take the lock",
    "fetch": "Fetch the repository",
    "make": "Create release",
    "build": "Build the virtualenv",
    "prepare": "Collect static files, run checks",
    "migrate": "Take a snapshot and apply",  # only where migrations wait
    "prove": "Start in the green room and check release",
    "hand over": "Hand over to release",
    "record": "Drain the previous release and record",
}

REVERSE = "Take a snapshot and reverse"  # only where the older release cannot live with them

ROLLBACK = {
    "begin": DEPLOY["begin"],
    "choose": "Find the target release",
    "decide": "Plan the rollback of the database",
    "prove": DEPLOY["prove"],
    "hand over": DEPLOY["hand over"],
    "record": DEPLOY["record"],
}

#: the steps of a restore that can be undone
RESTORE = {
    "load": "Load the snapshot into new databases",
    "close": "Turn maintenance mode on and finish",
    "swap": "Swap in the restored databases",
    "prove": DEPLOY["prove"],
}
