#!/usr/bin/env python3
"""What a deploy costs as hosts grow: wall time, and the controller's own CPU time.

tools/bench_fleet.py [SIZES...]    1 2 4 8 16 hosts, unless other numbers are given

Each fleet stands behind a balancer, with its database on a host of its own, and all its hosts take
the stage at once (app_serial: 100%).
What was measured goes into the table in docs/performance.md, and into docs/fleet-cost.svg.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from example import Example, provision, settings
from host import CHECKOUT, Host, HostError, ansible_playbook, write_inventory

SIZES = (1, 2, 4, 8, 16)
RUNS = 3
PAGE = CHECKOUT / "docs" / "performance.md"
PLOT = CHECKOUT / "docs" / "fleet-cost.svg"
TABLE = re.compile(r"(<!-- fleet -->\n).*?(<!-- /fleet -->)", re.DOTALL)


@dataclass(frozen=True)
class Cost:
    """The medians of some deploys of a one-line change."""

    hosts: int
    #: seconds from the command to its end
    wall: float
    #: seconds of CPU time on the controller
    cpu: float
    #: MiB of the controller's memory at most, of Ansible and all its processes
    memory: float


def memory_of_children() -> int:
    """KiB that this process's children and theirs have together, shared memory counted once."""
    parents, total = {}, 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
    for pid in parents:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() != pid:
            with contextlib.suppress(OSError):
                said = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += sum(map(int, re.findall(r"^Pss: +(\d+)", said, re.MULTILINE)))
    return total


@contextlib.contextmanager
def most_memory() -> Iterator[list[int]]:
    """Looks, every fifth of a second, what memory_of_children() is; the most that was seen."""
    seen, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            seen[0] = max(seen[0], memory_of_children())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def deploy(inventory: Path) -> tuple[float, float, float]:
    """Deploy; the seconds that took, those of the controller's CPUs, and MiB of its memory."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    before = used()
    with most_memory() as memory:
        seconds = ansible_playbook(
            inventory, "deploy.yml", "-e", "app_serial=100%", "--forks", "16"
        ).seconds
    return seconds, used() - before, memory[0] / 1024


def measure(
    webs: Sequence[Host], database: Host, balancer: Host, example: Example, folder: Path
) -> Cost:
    """The cost of a deploy on these hosts, of which all but the newest were measured before."""
    own = settings("localhost", balancer.address, *(host.address for host in webs))
    own |= {"app_database": "postgresql", "app_backup_at": ""}
    inventory = folder / f"staging-{len(webs)}"
    write_inventory(inventory, dict.fromkeys(webs, own), database=database, balancers=[balancer])
    ansible_playbook(inventory, "site.yml")
    runs = []
    for number in range(RUNS + 1):
        word = f"{len(webs)} hosts, {number}"
        example.follow(webs[0])
        revision = example.commit(
            {"playbill/__init__.py": f'VERSION = "v1"\nVERSION_NAME = "{word}"\n'}, word
        )
        for host in webs[1:]:
            example.follow(host)
            example.set_branch("staging", revision)
        runs.append(deploy(inventory))
    walls, cpus, memory = zip(*runs[1:])  # the first one builds the virtualenv
    return Cost(
        len(webs), statistics.median(walls), statistics.median(cpus), statistics.median(memory)
    )


def table(costs: Sequence[Cost]) -> str:
    """The lines of the table in the docs."""
    one = costs[0]
    return "\n".join(
        [
            "| hosts | wall time, s | times that of one | controller's CPU, s | its memory, MiB |",
            "| --- | --- | --- | --- | --- |",
            *(
                f"| {cost.hosts} | {cost.wall:.1f} | {cost.wall / one.wall:.1f} | {cost.cpu:.1f} "
                f"| {cost.memory:.0f} |"
                for cost in costs
            ),
            "",
        ]
    )


def plot(costs: Sequence[Cost], width: int = 640, height: int = 360) -> str:
    """The same as an SVG: seconds over the number of hosts."""
    left, right, top, bottom = 60, 150, 20, 50
    most = max(max(cost.wall, cost.cpu) for cost in costs)
    step = next(unit for unit in (1, 2, 5, 10, 20, 50, 100, 200) if most / unit <= 8)
    high = (int(most / step) + 1) * step
    last = max(cost.hosts for cost in costs)

    def x(hosts: float) -> float:
        return left + (width - left - right) * hosts / last

    def y(seconds: float) -> float:
        return height - bottom - (height - top - bottom) * seconds / high

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for seconds in range(0, high + 1, step):
        parts.append(
            f'<path d="M{left} {y(seconds):.0f}H{width - right}" stroke="#ddd"/>'
            f'<text x="{left - 8}" y="{y(seconds) + 4:.0f}" text-anchor="end">{seconds} s</text>'
        )
    for cost in costs:
        parts.append(
            f'<text x="{x(cost.hosts):.0f}" y="{height - bottom + 18}" text-anchor="middle">'
            f"{cost.hosts}</text>"
        )
    middle = (left + width - right) / 2
    parts.append(f'<text x="{middle:.0f}" y="{height - 12}" text-anchor="middle">hosts</text>')
    for name, colour, values in (
        ("wall time", "#0b6e4f", [cost.wall for cost in costs]),
        ("controller's CPU", "#c1440e", [cost.cpu for cost in costs]),
    ):
        points = [(x(cost.hosts), y(value)) for cost, value in zip(costs, values)]
        line = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3.5" fill="{colour}"/>'
            for across, down in points
        ]
        across, down = points[-1]
        parts.append(f'<text x="{across + 9:.0f}" y="{down + 4:.0f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def write(costs: Sequence[Cost]) -> None:
    """Put both into the docs."""
    PLOT.write_text(plot(costs))
    shown = f"{table(costs)}\n![Seconds of a deploy over the number of hosts]({PLOT.name})\n"
    PAGE.write_text(TABLE.sub(lambda found: found[1] + shown + found[2], PAGE.read_text()))


def main(sizes: Sequence[int]) -> int:
    """Start the hosts, measure, write; returns the exit status."""
    hosts: list[Host] = []
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            print("bench: provisioning the host that the others are copies of", file=sys.stderr)
            with Host.start("bench-fleet") as first:
                example = provision(first, folder)
                image = first.commit("bench-fleet")
            database, balancer = (Host.start(f"bench-{name}") for name in ("database", "balancer"))
            hosts += [database, balancer]
            with ThreadPoolExecutor(4) as pool:
                names = [f"bench-fleet-{number}" for number in range(1, max(sizes) + 1)]
                webs = list(pool.map(lambda name: Host.start(name, image), names))
            hosts += webs
            costs = []
            for size in sizes:
                costs.append(measure(webs[:size], database, balancer, example, folder))
                print(table(costs[:1] + costs[-1:]).splitlines()[-1], flush=True)
            write(costs)
    except HostError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        for host in hosts:
            host.destroy()
    return 0


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]] or SIZES))
