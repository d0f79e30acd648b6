#!/usr/bin/env python3
"""Breaks deploys of three hosts behind a balancer, and looks what is left, as tools/faults.py does.

tools/faults_fleet.py [WORDS...]    every fault, or those with one of the words in their name

What was seen goes into the second table in docs/reliability.md; the other rows stay as they are.
Visitors come through the balancer. Afterwards all hosts that live serve one release, nobody holds a
lock, no row was lost, and the next deploy brings all of them level with no hand on a host.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audience import Audience
from example import provision
from fault.disks import small_disk
from fault.report import PAGE
from fault.site import FaultError, must
from fault.steps import DEPLOY
from fleet import HOME, Fleet
from host import Host, HostError
from moments import Running, at, one_line

TABLE = """\
| fault on a fleet | step | requests | failed | rows lost | next deploy |
| --- | --- | --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with one of several hosts, or with what they share."""

    name: str
    step: str
    happen: Callable[[Fleet, Audience], None]
    #: how many requests it may cost: those that were on what died
    costs: int = 0


def change(fleet: Fleet) -> None:
    """Push a change as the tip of staging, to every host."""
    revision = ""
    for host in fleet.webs:
        fleet.example.publish(host)
        if not revision:
            word = f"Scene {time.time()}"
            fleet.example.git("switch", "--quiet", "--force-create", "staging", "v6")
            files = {"playbill/__init__.py": f'VERSION = "v6"\nVERSION_NAME = "{word}"\n'}
            revision = fleet.example.commit(files, word)
        fleet.example.set_branch("staging", revision)


def deploy(fleet: Fleet, moment: str, task: str, *argv: str) -> Running:
    """Deploy a change; at a moment of it a command is run on this machine."""
    change(fleet)
    running = Running.start(fleet.webs[0], "deploy.yml", env=at(moment, task, argv))
    running.end()
    return running


def host_dies(fleet: Fleet, audience: Audience) -> None:  # noqa: ARG001 - all faults get it
    """The second host loses its power when the first has handed over."""
    before, dies = fleet.releases()[0], fleet.webs[1]
    running = deploy(fleet, "after", DEPLOY["hand over"], "docker", "kill", dies.container)
    must(running.process.returncode, running.output)
    lives = [host for host in fleet.webs if host is not dies]
    must(fleet.releases(*lives) == [before, before], "those that live did not go back")
    must(fleet.out() == {dies.container}, f"{fleet.out()} are out")
    fleet.power_on(dies)


def balancer_restarts(fleet: Fleet, audience: Audience) -> None:
    """HAProxy is restarted in the middle of the roll; who comes meanwhile is refused."""
    before = fleet.releases()[0]
    argv = ["docker", "exec", fleet.balancer.container, "systemctl", "restart", "haproxy"]
    with audience.excuses("read", "write"):
        running = deploy(fleet, "after", DEPLOY["hand over"], *argv)
    must(running.process.returncode == 0, running.output)
    must(fleet.releases()[0] != before, "the new release does not serve")


def database_restarts(fleet: Fleet, audience: Audience) -> None:
    """PostgreSQL is restarted in the middle of the roll; pages need it."""
    argv = ["docker", "exec", fleet.database.container, "systemctl", "restart", "postgresql"]
    with audience.excuses("read", "write"):
        running = deploy(fleet, "after", DEPLOY["hand over"], *argv)
        time.sleep(3)
    must(len(set(fleet.releases())) == 1, f"{fleet.releases()} serve:\n{running.output}")


def disk_full(fleet: Fleet, audience: Audience) -> None:  # noqa: ARG001 - all faults get it
    """The first host has no room when it makes its tree; the others have made theirs."""
    before, full = fleet.releases(), fleet.webs[0]
    fill = f"fallocate -l $(df --output=avail -B1 {HOME} | tail -1) /srv/full || true"
    running = deploy(
        fleet, "after", "Fetch the repository", "docker", "exec", full.container, "sh", "-c", fill
    )
    full.shell("rm /srv/full")
    must(running.process.returncode and "No space left" in running.output, running.output)
    must(fleet.releases() == before, "something was changed")


def unreachable(fleet: Fleet, audience: Audience) -> None:  # noqa: ARG001 - all faults get it
    """The third host is away at the start: refused, and then deployed without it."""
    away = fleet.webs[2]
    before = fleet.releases()[:2]
    change(fleet)
    away.freeze()
    run = fleet.run("deploy.yml", check=False)
    must(run.returncode and "cannot be reached" in one_line(run), run.output)
    must(fleet.releases(*fleet.webs[:2]) == before, "something was changed")
    fleet.run("deploy.yml", "-l", f"staging:!{away.container}")
    must(fleet.out() == {away.container}, f"{fleet.out()} are out")
    away.thaw()


FAULTS = [
    Fault("a web host dies in the roll", "hand over", host_dies, costs=3),
    Fault("the balancer restarts in the roll", "hand over", balancer_restarts),
    Fault("the database restarts in the roll", "hand over", database_restarts),
    Fault("one host's disk is full", "make", disk_full),
    Fault("one host is unreachable", "begin", unreachable, costs=3),
]


def try_one(fleet: Fleet, fault: Fault) -> tuple[str, str]:
    """Have a fault happen; its row, and what was not as promised."""
    problem, seconds = "", 0.0
    with Audience(fleet.balancer) as audience:
        try:
            fault.happen(fleet, audience)
            change(fleet)
            run = fleet.run("deploy.yml")
            seconds = run.seconds
            must(len(set(fleet.releases())) == 1, f"{fleet.releases()} serve")
            must(not fleet.out() and not fleet.locked(), f"{fleet.out()}, {fleet.locked()}")
        except (FaultError, HostError, OSError) as error:
            problem = f"{type(error).__name__}: {error}"
    lost = audience.missing()
    if len(audience.failures) > fault.costs or lost:
        problem = f"{problem}\n{audience.failures}\n{lost}".strip()
    after = f"works, {seconds:.0f} s" if seconds else "NO"
    cells = (fault.name, fault.step, audience.requests, len(audience.failures), len(lost), after)
    return "| " + " | ".join(map(str, cells)) + " |", problem


def with_row(page: str, row: str) -> str:
    """The page with one row of the second table as it is known now; the others stay."""
    before, found, after = page.partition(TABLE)
    must(found, f"{PAGE} has no such table:\n{TABLE}")
    rows = {}
    while after.startswith("|"):
        line, _, after = after.partition("\n")
        rows[line.split("|")[1].strip()] = line
    rows[row.split("|")[1].strip()] = row
    for fault in FAULTS:
        untried = f"| {fault.name} | {fault.step} | not tried yet | | | |"
        found += rows.get(fault.name, untried) + "\n"
    return before + found + after


def main(words: Sequence[str]) -> int:
    """Start the hosts, try the faults, write; returns the exit status."""
    hosts: list[Host] = []

    def start(image: str | None = None, **options: Any) -> Host:
        hosts.append(Host.start(f"faults-fleet-{len(hosts) + 1}", image, **options))
        return hosts[-1]

    good = True
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with Host.start("faults-fleet-0") as first:
                provision(first, folder / "first")
                image = first.commit("faults-fleet")
            small = {"app_free_space": 50, "app_free_inodes": 1000}
            fleet = Fleet.make(start, image, folder, **small)
            fleet.run("site.yml")
            small_disk(fleet.webs[0])
            for _ in range(2):
                change(fleet)
                fleet.run("deploy.yml")
            for fault in FAULTS:
                if words and not any(word in fault.name for word in words):
                    continue
                row, problem = try_one(fleet, fault)
                print(row, problem, sep="\n", flush=True)
                PAGE.write_text(with_row(PAGE.read_text(), row))
                good &= not problem
    finally:
        for host in hosts:
            host.destroy()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
