#!/usr/bin/env python3
"""Breaks deploys and rollbacks in every way that we could think of, and looks what is left.

tools/faults.py [WORDS...]    every fault, or those with one of the words in their name and step

What was seen goes into the table in docs/reliability.md.

Under a trickle of visitors who read and write, each fault happens to a deploy or a rollback. Then:
what should serve serves, every row that was taken is there, no request failed that a healthy site
would have answered, and the next deploy works with no hand on the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from audience import Audience
from example import Example, provision, settings
from host import CHECKOUT, Host, HostError, PlaybookRun
from moments import KILL_THE_CONTROLLER, Running, at, elsewhere, one_line, wait_until

HOME = "/srv/playbill"
LOCK = f"{HOME}/lock.json"
PAGE = CHECKOUT / "docs" / "reliability.md"

#: the steps of a deploy and of a rollback that go to the host, and what their tasks are called
DEPLOY = {
    "begin": "Check the host, and take the lock",
    "fetch": "Fetch from git",
    "make": "Make release",
    "build": "Build the virtualenv",
    "prepare": "In one Django start",
    "prove": "In the green room, start and prove",
    "hand over": "Hand over to release",
    "record": "Let the one before finish",
}
MIGRATE = "Take a snapshot, and apply"  # only where migrations wait
ROLLBACK = {
    "begin": DEPLOY["begin"],
    "choose": "Find the release to go to",
    "prove": DEPLOY["prove"],
    "hand over": DEPLOY["hand over"],
    "record": DEPLOY["record"],
}


class FaultError(Exception):
    """Greenroom did not do what it promises."""


def must(holds: object, otherwise: str) -> None:
    """Raise FaultError, unless it holds."""
    if not holds:
        raise FaultError(otherwise)


# -- the site -------------------------------------------------------------------------------------


@dataclass
class Site:
    """The example site on one host, two releases old, and the repository that it comes from."""

    host: Host
    example: Example
    folder: Path
    database: str
    #: what every change starts from, so that no fault is in the next one's way
    base: str = ""
    audience: Audience = field(init=False)

    @classmethod
    def make(cls, host: Host, folder: Path, database: str = "sqlite", **variables: Any) -> Site:
        """Deploy the site twice on a host that site.yml has provisioned.

        Args:
            host: the host
            folder: an empty one, for the inventory and the working copy
            database: what keeps the rows
            variables: settings of the inventory, on top of the example's
        """
        more = {} if database == "sqlite" else {"app_database": database}
        small = {"app_free_space": 50, "app_free_inodes": 1000, "gunicorn_memory_max": "300M"}
        host.inventory(
            folder / "staging", **{**settings("localhost"), **small, **more, **variables}
        )
        host.playbook("site.yml")
        example = Example.make(folder / "playbill")
        example.publish(host)
        site = cls(host, example, folder, database, example.git("rev-parse", "v2"))
        for _ in range(2):
            site.change()
            host.playbook("deploy.yml")
        return site

    def change(self, files: dict[str, str] | None = None, word: str = "") -> str:
        """Push the base with these files over it as the tip of staging; what its page then says."""
        word = word or f"Scene {secrets.token_hex(4)}"
        self.example.git("switch", "--quiet", "--force-create", "staging", self.base)
        self.example.commit(
            {
                "playbill/__init__.py": f'VERSION = "v2"\nVERSION_NAME = "{word}"\n',
                **(files or {}),
            },
            word,
        )
        return word

    def serving(self) -> int:
        """The release that answers, by its own word."""
        found = re.search(r'name="playbill-release" content="(\d+)"', self.host.get("/").text)
        return int(found[1]) if found else 0

    def running(self) -> set[int]:
        """The releases that have a process."""
        units = self.host.shell("systemctl list-units --plain --no-legend 'playbill@*'")
        return {int(number) for number in re.findall(r"playbill@(\d+)\.service", units)}

    def journal(self) -> list[dict[str, Any]]:
        """The journal's entries."""
        text = self.host.shell(f"cat {HOME}/journal.json")
        entries: list[dict[str, Any]] = json.loads(text)["releases"]
        return entries

    def run(self, playbook: str, *arguments: str, env: dict[str, str] | None = None) -> PlaybookRun:
        """Run a playbook, however it ends."""
        return Running.start(self.host, playbook, *arguments, env=env).end()

    @contextlib.contextmanager
    def stopped(self, playbook: str, moment: str, task: str, *arguments: str) -> Iterator[Running]:
        """Run a playbook that stands still "before" or "after" a task while the block lasts.

        It is over when the block has ended.
        """
        word = secrets.token_hex(4)
        reached, go_on = self.folder / f"{word}-reached", self.folder / f"{word}-go-on"
        script = 'touch "$0"; while [ ! -e "$1" ]; do sleep 0.05; done'
        argv = ["sh", "-c", script, str(reached), str(go_on)]
        running = Running.start(self.host, playbook, *arguments, env=at(moment, task, argv))
        running.go_on = go_on
        try:
            while not reached.exists():
                if running.process.poll() is not None:
                    said = running.end().output
                    raise FaultError(f"{playbook} ended before it came to {task!r}:\n{said}")
                time.sleep(0.02)
            yield running
        finally:
            running.let_go()
            running.end()

    def next_deploy(self) -> float:
        """Deploy a change, with no hand on the host; how many seconds that took.

        Raises FaultError where it, or what is there afterwards, is not as it should be.
        """
        word = self.change()
        run = self.run("deploy.yml")
        must(run.returncode == 0, f"the next deploy failed:\n{run.output}")
        must(word in self.host.get("/").text, "the next deploy does not serve")
        number = self.serving()
        with contextlib.suppress(HostError):
            wait_until(
                self.host,
                "test $(systemctl list-units --plain --no-legend 'playbill@*' | wc -l) = 1 && echo",
                20,
            )
        must(self.running() == {number}, f"{self.running()} run, and only {number} should")
        must(self.host.run(["test", "-e", LOCK], check=False).returncode, "the lock was left")
        left = [e["number"] for e in self.journal() if e["result"] == "building"]
        must(not left, f"the journal has releases that are still being built: {left}")
        return run.seconds


# -- what can happen ------------------------------------------------------------------------------

Happening = Callable[[Site], None]


def rebuilt() -> dict[str, str]:
    """Files of a change that needs a virtualenv of its own, made from what is in the cache."""
    return {"requirements.txt": f"Django==5.2.19\n# {secrets.token_hex(4)}\n"}


def killed(site: Site, playbook: str, task: str) -> None:
    """The controller is gone when a step has ended: all of it, as with an empty battery."""
    site.change(rebuilt())
    with site.stopped(playbook, "after", task) as running:
        running.kill()


def killed_at_work(site: Site, playbook: str, task: str) -> None:
    """The same while a step works, which then goes on for as long as it takes."""
    site.change(rebuilt())
    with site.stopped(playbook, "before", task) as running:
        running.let_go()
        # The shortest may be over before anybody sees them; the next take this long to start.
        at_work = f"test -s {LOCK}.step || pgrep --exact git"
        site.host.shell(f"for i in $(seq 30); do {at_work} && break; sleep 0.01; done")
        running.kill()


def cut(site: Site, playbook: str, task: str) -> None:
    """The network is gone from when a step starts, for three seconds at least."""
    site.change(rebuilt())
    with site.stopped(playbook, "before", task) as running, site.host.disconnected(3):
        running.let_go()
    must("UNREACHABLE" in running.output, running.output)


def rebooted(site: Site, task: str) -> None:
    """The host loses its power after a step, and comes back when the run has failed."""
    site.change(rebuilt())
    with site.audience.excuses("read", "write"):
        with site.stopped("deploy.yml", "after", task):
            site.host.kill()
        site.host.power_on()
        site.example.follow(site.host)  # its address may be another one
        wait_for_answer(site)


def wait_for_answer(site: Site) -> None:
    """Wait until the site answers again."""
    for _ in range(150):
        with contextlib.suppress(OSError):
            if site.host.get("/").status == 200:
                return
        time.sleep(0.2)
    raise FaultError("the site did not come back")


def refused(
    site: Site,
    says: str,
    files: dict[str, str] | None = None,
    arguments: Sequence[str] = (),
    env: dict[str, str] | None = None,
) -> None:
    """Deploy a change that cannot work, and is refused with these words."""
    site.change(files)
    run = site.run("deploy.yml", *arguments, env=env)
    must(run.returncode != 0, f"it was deployed:\n{run.output}")
    must(re.search(says, one_line(run)), f"it did not say {says!r}:\n{run.output}")
    must("MODULE FAILURE" not in run.output, f"it is no sentence:\n{run.output}")


def must_refuse(running: Running, says: str) -> None:
    """Raise FaultError, unless a run that has ended failed and said why."""
    must(running.process.returncode, f"it was deployed:\n{running.output}")
    said = " ".join(running.output.split())
    must(re.search(says, said), f"it did not say {says!r}:\n{running.output}")
    must("MODULE FAILURE" not in said, f"it is no sentence:\n{running.output}")


def disk_full(site: Site, task: str, says: str) -> None:
    """The disk is full after a step, but for a little."""
    big = {"notes/programme.txt": secrets.token_hex(4_000_000), **rebuilt()}
    site.change(big)
    with site.stopped("deploy.yml", "after", task) as running:
        site.host.shell(
            "free=$(df --output=avail --block-size=1 /srv | tail -1); "
            "fallocate --length $((free - 1500000)) /srv/filler"
        )
    site.host.shell("rm /srv/filler")  # somebody made room
    must_refuse(running, says)


def inodes_gone(site: Site, task: str, says: str) -> None:
    """No more files can be made on the disk after a step, but for a few."""
    site.change(rebuilt())
    with site.stopped("deploy.yml", "after", task) as running:
        site.host.shell(
            "mkdir /srv/filler && cd /srv/filler && "
            "free=$(df --output=iavail /srv | tail -1); seq $((free - 60)) | xargs touch"
        )
    site.host.shell("rm -r /srv/filler")
    must_refuse(running, says)


def index_away(site: Site) -> None:
    """A new requirement, and no package index to get it from."""
    with site.host.edited("/etc/hosts", "127.0.0.1 pypi.org files.pythonhosted.org\n"):
        refused(
            site,
            "Building the virtualenv failed",
            {"requirements.txt": f"Django==5.2.19\nblinker==1.{secrets.choice('5678')}\n"},
        )


def repository_away(site: Site) -> None:
    """The repository cannot be reached."""
    site.change()
    site.host.shell("mv /srv/git /srv/git.away")
    try:
        run = site.run("deploy.yml")
    finally:
        site.host.shell("mv /srv/git.away /srv/git")
    must(run.returncode != 0 and "cannot be fetched" in one_line(run), run.output)


MIGRATION = """\
import os, time
from django.db import migrations


def act(apps, schema_editor):
{act}

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("shows", "{after}")]
    operations = [{first}migrations.RunPython(act, migrations.RunPython.noop)]
"""


def migrations_that(act: str, first: bool = True, atomic: bool = True) -> dict[str, str]:
    """Files of a change with two migrations: one that goes well, and one that does not.

    Args:
        act: what the second one does, a line of Python
        first: whether it makes a table before that
        atomic: whether the database is to undo it where it fails
    """
    word = secrets.token_hex(4)
    table = 'migrations.RunSQL("create table {0} (id integer)", "drop table {0}"), '

    def one(number: int, after: str, line: str, made: bool) -> str:
        sql = table.format(f"half_{word}_{number}") if made else ""
        return MIGRATION.format(act=f"    {line}\n", first=sql, after=after, atomic=atomic)

    return {
        f"shows/migrations/0004_{word}.py": one(4, "0003_fill_stage", "pass", True),
        f"shows/migrations/0005_{word}.py": one(5, f"0004_{word}", act, first),
    }


def app_that(act: str) -> dict[str, str]:
    """Files of a change whose app does something when gunicorn imports it."""
    return {
        "playbill/wsgi.py": "import os, sys, time\n"
        "from django.core.wsgi import get_wsgi_application\n"
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "playbill.settings")\n'
        f'if "gunicorn" in sys.argv[0]:\n    {act}\n'
        "application = get_wsgi_application()\n"
    }


def health_that(act: str) -> dict[str, str]:
    """Files of a change whose health page does something before it answers."""
    return {
        "shows/health.py": "import time\nfrom django.http import HttpResponse\n\n\n"
        f"def health(request):\n    {act}\n"
        '    return HttpResponse("ok")\n'
    }


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
    refused(site, f"bob@.* is deploying .* If it is dead: rm {LOCK}")
    site.host.shell(f"touch -d '61 minutes ago' {LOCK}")


def journal_damaged(site: Site) -> None:
    """Half of the journal is gone: nothing is guessed, and the message says what to do."""
    site.host.shell(
        f"cp {HOME}/journal.json /tmp/journal && truncate --size=-20 {HOME}/journal.json"
    )
    refused(site, rf"{HOME}/journal\.json is damaged .* Put a copy of it back, or move it away")
    site.host.shell(f"mv /tmp/journal {HOME}/journal.json")


def journal_lost(site: Site) -> None:
    """The other way out: without the journal, numbers go on above what is on the disk."""
    number = site.serving()
    site.host.shell(f"rm {HOME}/journal.json")
    site.change()
    run = site.run("deploy.yml")
    must(run.returncode == 0 and site.serving() > number, run.output)


def current_damaged(site: Site, script: str, says: str = "") -> None:
    """What the web server follows is gone, so that nothing can serve before the next deploy."""
    with site.audience.excuses("read", "write"):
        site.host.shell(f"cd {HOME} && {script}")
        if says:
            refused(site, says)
            site.host.shell(f"rm -r {HOME}/current")
        site.next_deploy()


def virtualenv_damaged(site: Site, script: str) -> None:
    """A virtualenv was damaged that the serving release has, and that the next one would share."""
    site.change()  # it takes what the base requires, as all that comes after
    site.host.playbook("deploy.yml")
    site.host.shell(f"cd {HOME}/current/.venv/ && {script}")


# -- the table ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a step, and what should serve afterwards."""

    name: str
    step: str
    happen: Happening
    #: "before": what served; "new": another; "either", where the step had just changed it
    serves: str = "before"
    #: whether make test tries it
    quick: bool = False
    #: whether it needs a host whose /srv is a small disk
    small_disk: bool = False


@dataclass(frozen=True)
class Row:
    """What became of one fault."""

    fault: Fault
    database: str
    requests: int
    failures: list[str]
    lost: list[str]
    #: seconds that the next deploy took
    next_deploy: float
    #: what Greenroom did not do as it promises; empty where all is well
    problem: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all promises were kept."""
        return not (self.problem or self.failures or self.lost)

    def __str__(self) -> str:
        after = f"works, {self.next_deploy:.0f} s" if self.next_deploy else "NO"
        cells = (self.fault.name, self.fault.step, self.database, self.requests)
        numbers = (len(self.failures), len(self.lost), after)
        return "| " + " | ".join(str(cell) for cell in (*cells, *numbers)) + " |"


def try_one(site: Site, fault: Fault) -> Row:
    """Have a fault happen to a site with visitors, and look at everything afterwards."""
    problem, seconds = "", 0.0
    before = site.serving()
    with Audience(site.host) as audience:
        site.audience = audience
        try:
            fault.happen(site)
            now = site.serving()
            must(now or fault.serves == "new", "nothing serves")
            must(fault.serves != "before" or now == before, f"{now} serves, and not {before}")
            must(fault.serves != "new" or now != before, f"{before} serves, as before")
            seconds = site.next_deploy()
        except (FaultError, HostError) as error:
            problem = str(error)
    try:
        lost = audience.missing()
    except OSError as error:
        lost, problem = audience.written, problem or f"nothing serves: {error}"
    return Row(fault, site.database, audience.requests, audience.failures, lost, seconds, problem)


def life(playbook: str, steps: dict[str, str]) -> list[Fault]:
    """What can happen at every step of a deploy, or of a rollback."""
    what = playbook.removesuffix(".yml")
    found = []
    passed = False
    for step, task in steps.items():
        passed = passed or step == "hand over"
        after = "new" if passed else "before"
        at_work = "either" if passed else "before"
        found += [
            Fault(
                f"{what}: controller killed after",
                step,
                partial(killed, playbook=playbook, task=task),
                after,
            ),
            Fault(
                f"{what}: controller killed during",
                step,
                partial(killed_at_work, playbook=playbook, task=task),
                at_work,
            ),
            Fault(
                f"{what}: connection cut during",
                step,
                partial(cut, playbook=playbook, task=task),
                at_work,
            ),
        ]
    quick = {
        ("deploy", "during", "prepare"),
        ("deploy", "after", "hand over"),
        ("rollback", "during", "record"),
    }
    return [
        replace(fault, quick=(what, fault.name.rpartition(" ")[2], fault.step) in quick)
        for fault in found
    ]


def app_fault(name: str, files: dict[str, str], says: str, *arguments: str) -> Fault:
    """A release that cannot serve."""
    happen = partial(refused, says=says, files=files, arguments=arguments)
    return Fault(f"the app {name}", "prove", happen)


NEVER = ("-e", "app_health_timeout=5")
FAULTS = [
    *life("deploy.yml", DEPLOY),
    *life("rollback.yml", ROLLBACK),
    Fault("host rebooted after", "prepare", partial(rebooted, task=DEPLOY["prepare"]), quick=True),
    Fault("host rebooted after", "hand over", partial(rebooted, task=DEPLOY["hand over"]), "new"),
    Fault(
        "disk full",
        "fetch",
        partial(disk_full, task=DEPLOY["begin"], says="No space left on device"),
        small_disk=True,
    ),
    Fault(
        "disk full",
        "make",
        partial(disk_full, task=DEPLOY["fetch"], says="No space left on device"),
        small_disk=True,
    ),
    Fault(
        "disk full",
        "build",
        partial(disk_full, task=DEPLOY["make"], says="No space left on device"),
        small_disk=True,
        quick=True,
    ),
    Fault(
        "disk full",
        "prepare",
        partial(disk_full, task=DEPLOY["build"], says="No space left on device"),
        small_disk=True,
    ),
    Fault(
        "no inode left",
        "make",
        partial(inodes_gone, task=DEPLOY["fetch"], says="No space left on device"),
        small_disk=True,
    ),
    Fault(
        "no inode left",
        "build",
        partial(inodes_gone, task=DEPLOY["make"], says="No space left on device"),
        small_disk=True,
    ),
    Fault("package index away", "build", index_away, quick=True),
    Fault("repository away", "fetch", repository_away),
    Fault(
        "a dependency that does not build",
        "build",
        partial(
            refused,
            says="Building the virtualenv failed.*no compiler here",
            files={
                "requirements.txt": "Django==5.2.19\n./orchestra\n",
                "orchestra/pyproject.toml": '[build-system]\nrequires = []\nbackend-path = ["."]\n'
                'build-backend = "backend"\n[project]\nname = "orchestra"\nversion = "1"\n',
                "orchestra/backend.py": 'raise SystemExit("no compiler here")\n',
            },
        ),
    ),
    Fault(
        "a migration that fails half-way",
        "migrate",
        lambda site: refused(site, "forgotten", migrations_that('raise ValueError("forgotten")')),
        quick=True,
    ),
    Fault(
        "a migration that hangs",
        "migrate",
        lambda site: refused(
            site,
            "did not end within 5 seconds",
            migrations_that("time.sleep(3600)", atomic=False),
            env=at("before", MIGRATE, arguments={"timeout": 5}),
        ),
    ),
    Fault(
        "a migration that is killed",
        "migrate",
        lambda site: refused(site, r"exit -9", migrations_that("os.kill(os.getpid(), 9)")),
    ),
    app_fault(
        "crashes when it is imported",
        app_that('raise RuntimeError("Stage fright")'),
        "Stage fright",
    ),
    app_fault(
        "answers 500",
        health_that('raise RuntimeError("The spotlight is broken")'),
        "500 Internal Server Error",
    ),
    app_fault(
        "answers only after a minute",
        health_that("time.sleep(60)"),
        "what came was no answer",
        *NEVER,
    ),
    app_fault("listens never", app_that("time.sleep(3600)"), "what came was no answer", *NEVER),
    app_fault(
        "eats all memory",
        app_that("hoard = [bytearray(2**20) for _ in range(1000)]"),
        "did not prove itself",
        *NEVER,
    ),
    app_fault(
        "forks and dies", app_that("os.fork() and os._exit(1)"), "did not prove itself", *NEVER
    ),
    Fault("two deploys at the same moment", "begin", two_at_once, "new"),
    Fault("a deploy during a rollback", "begin", during_a_rollback, "new"),
    Fault("a deploy by another person, from another machine", "begin", by_two_people, "new"),
    Fault("the lock of a controller elsewhere that died", "begin", lock_of_another_machine),
    Fault("journal damaged by hand", "begin", journal_damaged),
    Fault("journal lost", "begin", journal_lost, "new"),
    Fault(
        "current removed by hand", "begin", partial(current_damaged, script="rm current"), "either"
    ),
    Fault(
        "current points nowhere",
        "begin",
        partial(current_damaged, script="ln -sfn releases/9999 current"),
        "either",
    ),
    Fault(
        "current points at no release",
        "begin",
        partial(
            current_damaged,
            script="ln -sfn /etc current",
            says="which is not a release.*rm -r /srv/playbill/current",
        ),
        "either",
    ),
    Fault(
        "current is a folder",
        "begin",
        partial(
            current_damaged,
            script="rm current && mkdir current",
            says="should be a symbolic link.*rm -r /srv/playbill/current",
        ),
        "either",
    ),
    Fault(
        "a virtualenv without its Python",
        "build",
        partial(virtualenv_damaged, script="rm bin/python*"),
        "new",
        quick=True,
    ),
    Fault(
        "a virtualenv without a package",
        "build",
        partial(virtualenv_damaged, script="rm -r lib/python3*/site-packages/sqlparse"),
        "new",
    ),
    Fault(
        "a virtualenv removed",
        "build",
        partial(
            virtualenv_damaged, script='cd .. && rm -r "$(readlink -f /srv/playbill/current/.venv)"'
        ),
        "new",
    ),
]


def small_disk(host: Host) -> None:
    """Put what is below /srv on a small disk, before anything runs from there; not the rows.

    On a disk that is full, SQLite fails by itself, whoever filled it.
    """
    for path, options in (
        ("/srv", "size=250m,nr_inodes=40000"),
        (f"{HOME}/shared", "size=50m"),
    ):
        host.shell(
            f"mkdir /mnt/new && mount -t tmpfs -o {options} tmpfs /mnt/new && "
            f"cp -a {path}/. /mnt/new && mount --bind /mnt/new {path} && umount /mnt/new && "
            "rmdir /mnt/new"
        )


def many(site: Site, releases: int = 300, every: int = 10) -> list[str]:
    """Deploy so many releases in a row; how much they take, in lines for a reader.

    Every tenth one needs a virtualenv of its own. Raises FaultError when the disk fills up, or
    when a virtualenv went that a release on the disk needs.
    """

    def measure() -> tuple[int, int, int]:
        used = site.host.shell(
            f"du -sm {HOME} | cut -f1; find {HOME} | wc -l; ls {HOME}/releases | wc -l"
        )
        size, files, count = (int(line) for line in used.split())
        return size, files, count

    lines, first = [], (0, 0, 0)
    requirements = rebuilt()
    for number in range(1, releases + 1):
        if number % every == 0:
            requirements = rebuilt()
        site.change(requirements)
        site.host.playbook("deploy.yml")
        broken = site.host.shell(
            f"cd {HOME}/releases; "
            "for r in *; do $r/.venv/bin/python -c 'import django' || echo $r; done"
        )
        must(not broken, f"a virtualenv is gone that these need: {broken}")
        if number == 2 * every:
            first = measure()
        if number % (releases // 5) == 0:
            size, files, count = measure()
            lines.append(f"| {number} | {count} | {size} | {files} |")
    size, files, count = measure()
    must(size < first[0] * 1.25 + 5, f"{first[0]} MiB became {size}: {lines}")
    must(files < first[1] * 1.25 + 100, f"{first[1]} files became {files}: {lines}")
    must(count <= 6, f"{count} releases are on the disk")
    return lines


# -- the report -----------------------------------------------------------------------------------

#: the heads of the tables on the page, below which this writes; its words are people's
FAULTS_TABLE = """\
| fault | step | database | requests | failed | rows lost | next deploy |
| --- | --- | --- | --- | --- | --- | --- |
"""
MANY_TABLE = """\
| deploys | releases on disk | MiB below /srv/playbill | files and folders |
| --- | --- | --- | --- |
"""


def write_table(head: str, lines: Sequence[str], key: int) -> None:
    """Put lines below a table's head on the page; one whose first ``key`` cells are there, instead.

    So a part that is tried again leaves the others' lines as they were.
    """
    before, found, after = PAGE.read_text().partition(head)
    must(found, f"{PAGE} has no such table: {head}")
    table: dict[str, str] = {}
    while after.startswith("|"):
        line, _, after = after.partition("\n")
        table["|".join(line.split("|")[: key + 1])] = line
    table.update({"|".join(line.split("|")[: key + 1]): line for line in lines})
    PAGE.write_text(before + head + "".join(f"{line}\n" for line in table.values()) + after)


def wanted(words: Sequence[str] = (), quick: bool = False) -> list[Fault]:
    """The faults that have one of the words in their name and step, or all; or the quick ones."""
    return [
        fault
        for fault in FAULTS
        if (not words or any(word in f"{fault.name} {fault.step}" for word in words))
        and (fault.quick or not quick)
    ]


@dataclass
class Stages:
    """The hosts that faults happen to: one, and one with a small disk. Each is made when needed."""

    image: str | None
    folder: Path
    name: str = "faults"
    _sites: dict[bool, Site] = field(default_factory=dict)

    def site(self, on_small_disk: bool = False) -> Site:
        """Return the site on one of them."""
        if on_small_disk not in self._sites:
            place = Path(tempfile.mkdtemp(dir=self.folder))
            host = Host.start(self.name + ("-small" if on_small_disk else ""), image=self.image)
            if self.image is None:
                provision(host, place / "first")
            if on_small_disk:
                small_disk(host)
            self._sites[on_small_disk] = Site.make(host, place)
        return self._sites[on_small_disk]

    def try_one(self, fault: Fault) -> Row:
        """Have a fault happen. Where a promise was broken, the next one gets another host."""
        row = try_one(self.site(fault.small_disk), fault)
        if not row.is_good:
            self._sites.pop(fault.small_disk).host.destroy()
        return row

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        for site in self._sites.values():
            site.host.destroy()


def main(arguments: Sequence[str]) -> int:
    """Try them, print the table as it grows, and write the page; returns the exit status."""
    rows: list[Row] = []
    lines: list[str] = []
    image = os.environ.get("GREENROOM_IMAGE")  # a provisioned host, to save a minute
    with tempfile.TemporaryDirectory() as folder, Stages(image, Path(folder)) as stages:
        for fault in wanted(arguments):
            row = stages.try_one(fault)
            rows.append(row)
            print(row, flush=True)
            for line in [row.problem, *row.failures[:5], *row.lost[:5]]:
                if line:
                    print(f"    {line}", file=sys.stderr, flush=True)
        if not arguments or "many" in arguments:
            lines = many(stages.site())
            print("\n".join(lines))
    write_table(FAULTS_TABLE, [str(row) for row in rows], key=3)
    write_table(MANY_TABLE, lines, key=1)
    return 0 if all(row.is_good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
