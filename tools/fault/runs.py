"""Several runs at once, and many in a row."""

from __future__ import annotations

import signal
import time

from moments import KILL_THE_CONTROLLER, Running, at, elsewhere, one_line

from fault.changes import rebuilt, refused
from fault.site import HOME, LOCK, Site, must
from fault.steps import DEPLOY, ROLLBACK


def two_at_once(site: Site) -> None:
    """Two deploys are started at the same moment: one works, and the other says who does."""
    site.change()
    runs = [Running.start(site.host, "deploy.yml") for _ in range(2)]
    ended = sorted((each.end() for each in runs), key=lambda run: run.returncode)
    must(ended[0].returncode == 0, ended[0].output)
    must(ended[1].returncode, "both were deployed")
    must("is at work here" in one_line(ended[1]), ended[1].output)


def during_a_rollback(site: Site) -> None:
    """A deploy is started while a rollback is at work; it says so, and the rollback goes on."""
    site.change()
    with site.stopped("rollback.yml", "after", ROLLBACK["prove"]) as running:
        run = site.run("deploy.yml")
    must(run.returncode and "is at work here" in one_line(run), run.output)
    must(running.process.returncode == 0, running.output)


def by_two_people(site: Site) -> None:
    """Another person deploys from another machine meanwhile; told who works, and waits then."""
    bob = elsewhere(site.folder / "elsewhere")
    site.change()
    with site.stopped("deploy.yml", "after", DEPLOY["make"]):
        run = site.run("deploy.yml", env=bob)
        must(run.returncode and "is at work here" in one_line(run), run.output)
        waiting = Running.start(site.host, "deploy.yml", "-e", "wait=60", env=bob)
        time.sleep(4)
    ended = waiting.end()
    must(ended.returncode == 0 and "Waiting for the run of" in ended.output, ended.output)


def lock_of_another_machine(site: Site) -> None:
    """The controller died on another machine: its lease has to run out, or somebody to say so."""
    site.change()
    running = Running.start(
        site.host,
        "deploy.yml",
        env={
            **elsewhere(site.folder / "elsewhere"),
            **at("after", DEPLOY["make"], KILL_THE_CONTROLLER),
        },
    )
    must(running.end().returncode == -signal.SIGKILL, "it lives")
    refused(site, f"bob@.* is at work here, .* If it is dead: rm {LOCK}")
    site.host.shell(f"touch -d '61 minutes ago' {LOCK}")


def many(site: Site, releases: int = 300, every: int = 10) -> None:
    """Deploy so many releases in a row, and every tenth one needs a virtualenv of its own.

    Raises FaultError when the disk fills up, or when a virtualenv went that a release on the disk
    needs.
    """
    site.audience.pause = 2  # or the page that they fill is what takes the time
    counts = (
        f"du -sm {HOME} | cut -f1; find {HOME} | wc -l; ls {HOME}/releases | wc -l; "
        f"ls {HOME}/venvs | wc -l"
    )
    whole = (
        f"cd {HOME}/releases; for r in *; do test -x $r/.venv/bin/gunicorn && "
        "$r/.venv/bin/python -c 'import django' || echo $r; done"
    )
    first, requirements = (0, 0), rebuilt()
    for number in range(1, releases + 1):
        if number % every == 0:
            requirements = rebuilt()
        site.change(requirements)
        site.host.playbook("deploy.yml")
        broken = site.host.shell(whole).split()
        must(not broken, f"after {number}, a virtualenv is gone that these need: {broken}")
        if number % (2 * every) == 0:
            size, files, trees, venvs = (int(n) for n in site.host.shell(counts).split())
            first = first if first[0] else (size, files)
            print(f"{number}: {size} MiB, {files} files, {trees} releases, {venvs} virtualenvs")
            must(size < first[0] * 1.25 + 5, f"{first[0]} MiB became {size} after {number}")
            must(files < first[1] * 1.25 + 100, f"{first[1]} files became {files} after {number}")
            must(trees <= 7, f"{trees} releases are on the disk after {number}")
            must(venvs <= trees, f"{venvs} virtualenvs are on the disk after {number}")
