"""Which faults are tried: those that somebody names, and those of make test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fault.model import DATABASES, SMALL_DISK, Fault
from fault.table import FAULTS

#: What make test tries, and with which database: each thing that can break, at every step from the
#: build on. What breaks before that changes nothing, and is in test_lock.py and test_checkout.py;
#: releases that do not start are in test_life.py.
QUICK = {
    ("package index away", "build"): "sqlite",
    ("disk full", "prepare"): "sqlite",
    ("database stopped during", "migrate"): "postgresql",
    ("host rebooted after", "hand over"): "postgresql",
    ("rollback: controller killed after", "decide"): "postgresql",
    ("rollback: step killed during", "reverse"): "sqlite",
    ("deploy: controller killed during", "record"): "sqlite",
}


def wanted(words: Sequence[str] = ()) -> list[tuple[Fault, str]]:
    """The faults, each with a database that it is to happen with.

    Args:
        words: those that have one of them in their name and step alone; and a database's name
            leaves out the others
    """
    names = [word for word in words if word not in DATABASES]
    databases = [word for word in words if word in DATABASES] or DATABASES
    return [
        (fault, database)
        for fault in FAULTS
        for database in fault.databases
        if database in databases
        and (not names or any(name in f"{fault.name} {fault.step}" for name in names))
    ]


def quick() -> list[tuple[Fault, str]]:
    """The faults of make test, all those with a database on one host.

    A host takes most of a minute to make, and one with a small disk does for the others too. Its
    disk is in memory, so no host of that kind can lose its power.
    """
    chosen = [each for each in wanted() if QUICK.get((each[0].name, each[0].step)) == each[1]]
    small = {database for fault, database in chosen if fault.host == SMALL_DISK}
    return [
        (replace(fault, host=SMALL_DISK) if database in small else fault, database)
        for fault, database in chosen
    ]
