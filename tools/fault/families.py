"""Faults that differ in the step, the moment or the playbook alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from moments import Running

from fault.changes import (
    refused,
)
from fault.databases import (
    restoring,
    reversing,
)
from fault.interruptions import cut, killed, killed_at_work, power_cut
from fault.model import DATABASES, PLAIN, UPSTART, Fault
from fault.site import Site
from fault.steps import RESTORE


def life(playbook: str, steps: dict[str, str]) -> list[Fault]:
    """What can happen at every step of a deploy, or of a rollback."""
    what = playbook.removesuffix(".yml")
    found = []
    passed = False
    for step, task in steps.items():
        passed = passed or step == "hand over"
        after = "new" if passed else "before"
        meanwhile = "either" if passed else "before"
        for name, happen, serves in (
            ("controller killed after", killed, after),
            ("controller killed during", killed_at_work, meanwhile),
            ("connection cut during", cut, meanwhile),
        ):
            act = partial(happen, playbook=playbook, task=task)
            found.append(Fault(f"{what}: {name}", step, act, serves))
    return found


def power_cuts() -> list[Fault]:
    """A host that loses its power at every 0.2 seconds of a handover, until that is recorded."""
    return [
        Fault(
            f"{what}: power cut {moment / 10:.1f} s into",
            "hand over",
            partial(power_cut, seconds=moment / 10),
            "new",
            host,
            ["sqlite"],
        )
        for what, host in (("deploy", PLAIN), ("deploy under upstart", UPSTART))
        for moment in range(0, 18, 2)
    ]


def app_fault(name: str, files: dict[str, str], says: str, *arguments: str) -> Fault:
    """A release that cannot serve."""
    happen = partial(refused, says=says, files=files, arguments=arguments)
    return Fault(f"the app {name}", "prove", happen)


def reversal(
    name: str,
    happen: Callable[[Site, Running], None],
    databases: Sequence[str] = DATABASES,
    **options: Any,
) -> Fault:
    """What can happen to a rollback that reverses migrations before the handover."""
    act = partial(reversing, happen=happen, **options)
    return Fault(f"rollback: {name}", "reverse", act, databases=databases)


def restore_fault(name: str, step: str, playbook: str = "restore.yml", **options: Any) -> Fault:
    """What can happen to a run that puts a snapshot back."""
    act = partial(restoring, task=RESTORE[step], playbook=playbook, **options)
    return Fault(f"{playbook.removesuffix('.yml')}: {name}", step, act)
