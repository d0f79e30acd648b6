#!/usr/bin/env python3
"""How long a deploy of a one-line change takes, beside other ways to the same page on one host.

tools/bench.py [near] [far]    both lines, unless one is named

Each way is timed from the command to the moment when it has returned and the new page answers, and
each opens a connection of its own, as it does for somebody who sits down to deploy. By hand and
with Greenroom there is a second time, over a connection that is open already. All take turns, so
that whatever else the machine does hits all of them.

The far line has a round trip of 100 ms, as from home to a server; what asks for the page does not
go over it.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench_ways import Access, Way, install_peers, prepare, ways
from example import Example, provision
from host import Host, HostError
from line import Line

RUNS = 5
ROUND_TRIP = 0.1


def table(measured: Sequence[Way]) -> str:
    """The lines of the table in the docs: beside each way, that by hand over a like connection."""
    by_name = {way.name: way for way in measured}
    lines = [
        "| way | five runs, seconds | median | times in place | "
        "controller's CPU, s | round trips |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for way in sorted(measured, key=lambda way: way.name.endswith(", open")):
        base = by_name["in place, open" if way.name.endswith(", open") else "in place"]
        each = " ".join(f"{seconds:.2f}" for seconds in way.walls)
        cpu = statistics.median(way.cpus)
        turns = f"{statistics.median(way.turns):.0f}" if way.turns else "-"
        lines.append(
            f"| {way.name} | {each} | {way.wall:.2f} | {way.wall / base.wall:.2f} | {cpu:.2f} "
            f"| {turns} |"
        )
    return "\n".join(lines)


def table_of_tasks(way: Way) -> str:
    """The medians of its tasks."""
    rows = [f"| {name} | {statistics.median(each):.2f} |" for name, each in way.tasks.items()]
    return "\n".join(["| step | seconds |", "| --- | --- |", *rows])


def measure(host: Host, example: Example, access: Access, runs: int = RUNS) -> list[Way]:
    """Time all ways in turns over one line, on a prepared host that has deployed once.

    Args:
        host: the host
        example: the working copy that pushes there
        access: the line
        runs: how many deploys of each kind
    """
    measured = ways(access)
    for number in range(1, runs + 1):
        for way in measured:
            way.run(host, example, f"{way.name} {number} to {access.port}", access.line)
            if way.name.startswith("Greenroom"):
                way.note_tasks(json.loads(access.seconds.read_text()))
    access.hang_up()
    return measured


def main(lines: Sequence[str]) -> int:
    """Make a host, measure, print; returns the exit status."""
    try:
        install_peers()
        with ExitStack() as stack:
            host = stack.enter_context(Host.start("bench"))
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            print(f"bench: provisioning {host.container}", file=sys.stderr)
            example = provision(host, folder)
            prepare(host)
            host.playbook("deploy.yml")
            for name in lines:
                (folder / name).mkdir()
                access = Access(host, folder / name, host.address, 22)
                if name == "far":
                    line = stack.enter_context(Line(host.address, 22, ROUND_TRIP / 2))
                    access = Access(host, folder / name, "127.0.0.1", line.port, line)
                print(f"bench: {RUNS} deploys each way, {name}", file=sys.stderr)
                measured = measure(host, example, access)
                print(f"\n{name}\n\n{table(measured)}", flush=True)
                for way in measured:
                    if way.tasks:
                        print(f"\n{way.name}, {name}\n\n{table_of_tasks(way)}", flush=True)
    except HostError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["near", "far"]))
