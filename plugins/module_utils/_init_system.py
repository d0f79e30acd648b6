# PRIVATE to the collection: the first process of a host: systemd, or one that runs the scripts of
# System V.
from __future__ import annotations

import os

SYSTEMD = "/run/systemd/system"  # a folder where systemd is the first process
TIMER, CRON = "systemd", "cron"  # what runs at times of the day: answers of roles/backup's `timer`


def has_units() -> bool:
    """Whether the host has units and timers: systemd is its first process."""
    return os.path.isdir(SYSTEMD)
