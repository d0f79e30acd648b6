#!/usr/bin/env python3
"""Breaks deploys and rollbacks in every way that we could think of, and looks what is left.

tools/faults.py [WORDS...]    every fault, or those with one of the words in their name and step

A word that is a database, such as postgresql, leaves out the others. What was seen goes into the
table in docs/reliability.md, row by row; the other rows stay as they are.

Under a trickle of visitors who read and write, each fault happens to a deploy or a rollback. Then:
what should serve serves, every row that was taken is there, no request failed that a healthy site
would have answered, and the next deploy works with no hand on the host, on a schema that fits.
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
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from audience import Audience
from example import Example, provision, settings
from host import CHECKOUT, Host, HostError, PlaybookRun, default_image, key
from moments import KILL_THE_CONTROLLER, Running, at, elsewhere, one_line, wait_until

HOME = "/srv/playbill"
LOCK = f"{HOME}/lock.json"
AT_WORK = f"{HOME}/shared/at-work"  # a migration writes it: in its sandbox, /tmp is its own
PAGE = CHECKOUT / "docs" / "reliability.md"
DATABASES = ("sqlite", "postgresql")

#: the steps of a deploy and of a rollback that go to the host, and what their tasks are called
DEPLOY = {
    "begin": "Check the host and take the lock",
    "fetch": "Fetch the repository",
    "make": "Create release",
    "build": "Build the virtualenv",
    "prepare": "Collect static files, run checks",
    "migrate": "Take a snapshot and apply",  # only where migrations wait
    "prove": "Start release",
    "hand over": "Hand over to release",
    "record": "Record release",
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


class FaultError(Exception):
    """Greenroom did not do what it promises."""


def must(holds: object, otherwise: str) -> None:
    """Raise FaultError, unless it holds."""
    if not holds:
        raise FaultError(otherwise)


# -- the site -------------------------------------------------------------------------------------

SQLITE = """\
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=30)
print(*(row[0] for row in database.execute(sys.argv[2])))
database.commit()
"""
MIGRATIONS = {"0001_initial", "0002_show_stage", "0003_fill_stage"}  # what every release has


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

    def sql(self, statement: str) -> list[str]:
        """The words that the site's database answers."""
        if self.database == "postgresql":
            argv = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname=playbill"]
            return self.host.run([*argv, "--command", statement], user="postgres").stdout.split()
        argv = ["python3", "-c", SQLITE, f"{HOME}/shared/db.sqlite3", statement]
        return self.host.run(argv, user="playbill").stdout.split()

    def migrations(self) -> set[str]:
        """The migrations of the site's own that the database says are applied."""
        return set(self.sql("SELECT name FROM django_migrations WHERE app = 'shows'"))

    def run(self, playbook: str, *arguments: str, env: dict[str, str] | None = None) -> PlaybookRun:
        """Run a playbook, however it ends."""
        return Running.start(self.host, playbook, *arguments, env=env).end()

    @contextlib.contextmanager
    def without_database(self) -> Iterator[None]:
        """Have PostgreSQL stopped for as long as the block lasts."""
        self.host.shell("systemctl stop postgresql")
        try:
            yield
        finally:
            self.host.shell("systemctl start postgresql")

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
                60,  # a worker that hangs is given half a minute
            )
        must(self.running() == {number}, f"{self.running()} run, and only {number} should")
        must(self.host.run(["test", "-e", LOCK], check=False).returncode, "the lock was left")
        must(self.migrations() == MIGRATIONS, f"the schema does not fit: {self.migrations()}")
        left = [e["number"] for e in self.journal() if e["result"] == "building"]
        must(not left, f"the journal has releases that are still being built: {left}")
        return run.seconds


# -- what can happen ------------------------------------------------------------------------------

Happening = Callable[[Site], None]
REQUIREMENTS = "Django==5.2.19\npsycopg[binary]==3.3.9\n"


def rebuilt() -> dict[str, str]:
    """Files of a change that needs a virtualenv of its own, made from what is in the cache."""
    return {"requirements.txt": f"{REQUIREMENTS}# {secrets.token_hex(4)}\n"}


def changed_for(site: Site, task: str) -> None:
    """Push a change that has something to do at every step, and at this one for long enough."""
    migrates = task == DEPLOY["migrate"]
    site.change({**rebuilt(), **(migrations_that(TAKES_LONG) if migrates else {})})


def at_work(site: Site, running: Running, task: str) -> None:
    """Let a run that stands still before a task go on, and wait until the step works."""
    site.host.shell(f"rm -f {AT_WORK}")  # of another one
    running.let_go()
    if task in (DEPLOY["migrate"], REVERSE):
        wait_until(site.host, f"ls {AT_WORK} 2>/dev/null")
        return
    # The shortest may be over before anybody sees them; the next take this long to start.
    works = f"test -s {LOCK}.step || pgrep --exact git"
    site.host.shell(f"for i in $(seq 30); do {works} && break; sleep 0.01; done")


def killed(site: Site, playbook: str, task: str) -> None:
    """The controller is gone when a step has ended: all of it, as with an empty battery."""
    changed_for(site, task)
    with site.stopped(playbook, "after", task) as running:
        running.kill()


def killed_at_work(site: Site, playbook: str, task: str) -> None:
    """The same while a step works, which then goes on for as long as it takes."""
    changed_for(site, task)
    with site.stopped(playbook, "before", task) as running:
        at_work(site, running, task)
        running.kill()


def cut(site: Site, playbook: str, task: str) -> None:
    """The network is gone from when a step starts, for three seconds at least."""
    changed_for(site, task)
    with site.stopped(playbook, "before", task) as running, site.host.disconnected(3):
        running.let_go()
    must("UNREACHABLE" in running.output, running.output)


def rebooted(site: Site, task: str, moment: str = "after") -> None:
    """The host loses its power at a step, and comes back when the run has failed."""
    changed_for(site, task)
    with site.audience.excuses("read", "write"):
        with site.stopped("deploy.yml", moment, task) as running:
            if moment == "before":
                at_work(site, running, task)
            site.host.kill()
        power_on(site)


def power_on(site: Site, status: int = 200) -> None:
    """Bring the host back, and wait until the site answers as it should."""
    site.host.power_on()
    site.example.follow(site.host)  # its address may be another one
    wait_for_answer(site, status)


def wait_for_answer(site: Site, status: int = 200) -> None:
    """Wait until the site answers again, with this status."""
    for _ in range(150):
        with contextlib.suppress(OSError):
            if site.host.get("/").status == status:
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


FILL = (
    "free=$(df --output=avail --block-size=1 /srv | tail -1); "
    "fallocate --length $((free - {left})) /srv/filler{name}"
)


def disk_full(
    site: Site,
    task: str,
    says: str = "No space left on device",
    files: dict[str, str] | None = None,
) -> None:
    """The disk is full after a step, but for a little."""
    big = {"notes/programme.txt": secrets.token_hex(4_000_000), **rebuilt()}
    site.change({**big, **(files or {})})
    with site.stopped("deploy.yml", "after", task) as running:
        site.host.shell(FILL.format(left=1_500_000, name=""))
    site.host.shell("rm /srv/filler")  # somebody made room
    must_refuse(running, says)


def disk_full_in_a_snapshot(site: Site) -> None:
    """There was room when a snapshot was begun, and there is none when it is written."""
    begun = f"[ -e {HOME}/backups/*.partial ]"
    wait = f"for i in $(seq 3000); do {begun} && break; sleep 0.01; done"
    site.change(migrations_that("pass"))
    with site.stopped("deploy.yml", "after", DEPLOY["prepare"]) as running:
        # Most of it beforehand, since it has to be quick; and again where another write came first.
        site.host.shell(FILL.format(left=75_000_000, name=""))
        fill = f"{wait}; for i in $(seq 100); do {FILL.format(left=0, name=2)} && break; done"
        site.host.run(["sh", "-c", 'nohup sh -c "$0" </dev/null >/dev/null 2>&1 &', fill])
    site.host.shell("rm /srv/filler /srv/filler2")  # somebody made room
    must_refuse(running, "No space left on device")
    must(not site.host.shell(f"{begun} && echo yes || true"), "half of a snapshot was left")


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
            {"requirements.txt": f"{REQUIREMENTS}blinker==1.{secrets.choice('5678')}\n"},
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


# A step that says that it is at work, and is for some seconds.
TAKES_LONG = f'open("{AT_WORK}", "w").close(); time.sleep(4)'


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


CONSTRAINT = """\
import time
from django.db import migrations, models


def act(apps, schema_editor):
    {act}


class Migration(migrations.Migration):
    dependencies = [("shows", "{after}")]
    operations = [
        migrations.AddConstraint(
            "show", models.CheckConstraint(condition=~models.Q(title="{name}"), name="{name}")
        ),
        migrations.RunPython(migrations.RunPython.noop, act),
    ]
"""


def constraints() -> dict[str, str]:
    """Files of a change with two migrations that a rollback reverses, and the second takes long.

    Older code may write what a constraint refuses, so it counts as one that cannot live with it.
    """
    first, second = (f"no_{secrets.token_hex(4)}" for _ in range(2))
    return {
        f"shows/migrations/0004_{first}.py": CONSTRAINT.format(
            after="0003_fill_stage", name=first, act=TAKES_LONG
        ),
        f"shows/migrations/0005_{second}.py": CONSTRAINT.format(
            after=f"0004_{first}", name=second, act="pass"
        ),
    }


def reversing(
    site: Site,
    happen: Callable[[Site, Running], None],
    moment: str = "after",
    status: int = 503,
    first: str = "",
) -> None:
    """Something happens to a rollback that reverses migrations, and it is run again.

    Args:
        site: the site
        happen: what it is; the run stands still before or after the reversal
        moment: which of the two
        status: what visitors get then: 503, since neither release fits, or 200 where the run could
            still give the release that serves its migrations back
        first: a playbook that is run first, of the same revision
    """
    before = site.serving()
    word = site.change(constraints())
    site.host.playbook("deploy.yml")
    with site.audience.excuses("read", "write"):
        with site.stopped("rollback.yml", moment, REVERSE) as running:
            happen(site, running)
        wait_for_answer(site, status)
        if first:
            run = site.run(first)
            must(run.returncode == 0, run.output)
            must(word in site.host.get("/").text, "the release that served does not serve again")
        run = site.run("rollback.yml", "-e", f"rev={before}")
        must(run.returncode == 0, f"the next rollback failed:\n{run.output}")


def kill(site: Site, running: Running, while_it_works: bool = False) -> None:
    """The controller is gone; where migrations are reversed just then, that goes on."""
    if while_it_works:
        at_work(site, running, REVERSE)
    running.kill()


def kill_the_step(site: Site, running: Running) -> None:
    """What reverses migrations is killed on the host: Django, and the module that waits for it."""
    at_work(site, running, REVERSE)
    site.host.shell(
        f"session=$(sed 's/.*\"session\": \\([0-9]*\\).*/\\1/' {LOCK}.step); "
        "kill -KILL $(ps -o ppid= -p $session); pkill -KILL --session $session"
    )


def cut_the_connection(site: Site, running: Running) -> None:
    """The network is gone while migrations are reversed, which goes on."""
    at_work(site, running, REVERSE)
    with site.host.disconnected(3):
        running.end()
    must("UNREACHABLE" in running.output, running.output)


def lose_power(site: Site, running: Running) -> None:
    """The host loses its power while the site is closed, and comes back as closed as it was."""
    site.host.kill()
    running.let_go()
    running.end()
    power_on(site, 503)


def cut_the_power(site: Site, running: Running, while_it_works: bool = False) -> None:
    """The host loses its power, and comes back when the run has failed."""
    if while_it_works:
        at_work(site, running, REVERSE)
    lose_power(site, running)


def stop_the_database(site: Site, running: Running) -> None:
    """PostgreSQL is stopped while migrations are reversed, and comes back when the run failed."""
    at_work(site, running, REVERSE)
    with site.without_database():
        running.end()
    must_refuse(running, "could not be reversed|Django did not get through")


def restoring(
    site: Site,
    task: str,
    happen: Callable[[Site, Running], None] | None = None,
    moment: str = "after",
    playbook: str = "restore.yml",
) -> None:
    """Something happens to a run that puts a snapshot back; the next run has all rows again.

    Without ``happen``, the controller is gone. What a restore loses on purpose is not lost here:
    it had not come to its end.
    """
    site.host.playbook("backup.yml")
    name = site.host.shell(f"ls --sort=time {HOME}/backups | head -1").strip()
    arguments = ["-e", f"snapshot={name}"]
    if playbook == "rollback.yml":
        arguments += ["-e", "database=restore"]
    with site.audience.excuses("read", "write"):
        with site.stopped(playbook, moment, task, *arguments) as running:
            if moment == "before":
                at_work(site, running, task)
            if happen:
                happen(site, running)
            else:
                running.kill()
        must(running.process.returncode, f"it came to its end:\n{running.output}")
        run = site.run("deploy.yml")  # of what serves: there is nothing to do but to undo
        must(run.returncode == 0, run.output)
        wait_for_answer(site)


def cut_meanwhile(site: Site, running: Running) -> None:
    """The network is gone while a step works, which goes on."""
    with site.host.disconnected(3):
        running.end()


def database_stopped(
    site: Site, task: str, playbook: str = "deploy.yml", while_it_works: bool = False
) -> None:
    """PostgreSQL is stopped at a step that needs it; with it, the site comes back by itself."""
    site.change(migrations_that(TAKES_LONG))
    with site.audience.excuses("read", "write"):
        with site.stopped(playbook, "before", task) as running:
            if while_it_works:
                at_work(site, running, task)
            with site.without_database():
                running.let_go()
                running.end()
        wait_for_answer(site)
    must_refuse(running, "")


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
    refused(site, f"bob@.* is at work here, .* If it is dead: rm {LOCK}")
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


def stage_damaged(site: Site, script: str, says: str = "") -> None:
    """What the release on stage lives of is gone, so that nothing need serve till the next deploy.

    Where that is refused, and ``says`` why, it is tried again with the way out that it names.
    """
    with site.audience.excuses("read", "write"):
        site.host.shell(f"cd {HOME} && {script}")
        if says:
            refused(site, says)
            site.host.shell(f"rm -r {HOME}/current")
        site.next_deploy()


def virtualenv_damaged(site: Site, script: str) -> None:
    """A virtualenv was damaged that the serving release has, and that the next one would share."""
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
    #: whether it needs a host whose /srv is a small disk
    small_disk: bool = False
    #: those that it can happen with
    databases: Sequence[str] = DATABASES


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
    site.sql("DELETE FROM shows_show")  # a page with the rows of all faults takes its time
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
        except (FaultError, HostError, OSError) as error:
            problem = f"{type(error).__name__}: {error}"
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
        meanwhile = "either" if passed else "before"
        for name, happen, serves in (
            ("controller killed after", killed, after),
            ("controller killed during", killed_at_work, meanwhile),
            ("connection cut during", cut, meanwhile),
        ):
            act = partial(happen, playbook=playbook, task=task)
            found.append(Fault(f"{what}: {name}", step, act, serves))
    return found


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


NEVER = ("-e", "app_health_timeout=5")
FAULTS = [
    *life("deploy.yml", DEPLOY),
    *life("rollback.yml", ROLLBACK),
    reversal("controller killed after", kill),
    reversal("controller killed, and then a deploy, after", kill, first="deploy.yml"),
    reversal("controller killed during", partial(kill, while_it_works=True), moment="before"),
    reversal("step killed during", kill_the_step, moment="before", status=200),
    reversal("connection cut during", cut_the_connection, moment="before"),
    reversal("host rebooted after", cut_the_power),
    reversal("host rebooted during", partial(cut_the_power, while_it_works=True), moment="before"),
    reversal(
        "database stopped during", stop_the_database, moment="before", databases=["postgresql"]
    ),
    *(restore_fault("controller killed after", step) for step in RESTORE),
    *(restore_fault("controller killed during", step, moment="before") for step in RESTORE),
    restore_fault("connection cut during", "swap", happen=cut_meanwhile, moment="before"),
    restore_fault("host rebooted after", "swap", happen=lose_power),
    restore_fault("with its database, controller killed after", "swap", "rollback.yml"),
    restore_fault("with its database, controller killed after", "prove", "rollback.yml"),
    restore_fault(
        "with its database, host rebooted after", "swap", "rollback.yml", happen=lose_power
    ),
    *(
        Fault("host rebooted after", step, partial(rebooted, task=DEPLOY[step]), serves)
        for step, serves in (("prepare", "before"), ("migrate", "before"), ("hand over", "new"))
    ),
    *(
        Fault("host rebooted during", step, partial(rebooted, task=DEPLOY[step], moment="before"))
        for step in ("migrate", "prove")
    ),
    Fault(
        "host rebooted during",
        "record",
        partial(rebooted, task=DEPLOY["record"], moment="before"),
        "new",
    ),
    *(
        Fault(
            "database stopped before",
            step,
            partial(database_stopped, task=DEPLOY[step]),
            databases=["postgresql"],
        )
        for step in ("prepare", "migrate", "prove", "hand over")
    ),
    Fault(
        "database stopped during",
        "migrate",
        partial(database_stopped, task=DEPLOY["migrate"], while_it_works=True),
        databases=["postgresql"],
    ),
    *(
        Fault(
            "rollback: database stopped before",
            step,
            partial(database_stopped, task=ROLLBACK[step], playbook="rollback.yml"),
            databases=["postgresql"],
        )
        for step in ("prove", "hand over")
    ),
    *(
        Fault("disk full", step, partial(disk_full, task=DEPLOY[before]), small_disk=True)
        for before, step in pairwise(("begin", "fetch", "make", "build", "prepare"))
    ),
    Fault(
        "disk full before a snapshot",
        "migrate",
        lambda site: disk_full(
            site, DEPLOY["prepare"], "A snapshot may need", migrations_that("pass")
        ),
        small_disk=True,
    ),
    Fault("disk full in a snapshot", "migrate", disk_full_in_a_snapshot, small_disk=True),
    *(
        Fault(
            "no inode left",
            step,
            partial(inodes_gone, task=DEPLOY[before], says="No space left on device"),
            small_disk=True,
        )
        for before, step in pairwise(("fetch", "make", "build"))
    ),
    Fault("package index away", "build", index_away),
    Fault("repository away", "fetch", repository_away),
    Fault(
        "a dependency that does not build",
        "build",
        partial(
            refused,
            says="Building the virtualenv failed.*no compiler here",
            files={
                "requirements.txt": f"{REQUIREMENTS}./orchestra\n",
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
    ),
    Fault(
        "a migration that hangs",
        "migrate",
        lambda site: refused(
            site,
            "did not end within 5 seconds",
            migrations_that("time.sleep(3600)", atomic=False),
            env=at("before", DEPLOY["migrate"], arguments={"timeout": 5}),
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
        "current removed by hand", "begin", partial(stage_damaged, script="rm current"), "either"
    ),
    Fault(
        "current points nowhere",
        "begin",
        partial(stage_damaged, script="ln -sfn releases/9999 current"),
        "either",
    ),
    Fault(
        "current points at no release",
        "begin",
        partial(
            stage_damaged,
            script="ln -sfn /etc current",
            says="which is not a release.*rm -r /srv/playbill/current",
        ),
        "either",
    ),
    Fault(
        "current is a folder",
        "begin",
        partial(
            stage_damaged,
            script="rm current && mkdir current",
            says="should be a symbolic link.*rm -r /srv/playbill/current",
        ),
        "either",
    ),
    Fault(
        "a virtualenv without its Python",
        "build",
        partial(virtualenv_damaged, script="rm bin/python*"),
    ),
    Fault(
        "a virtualenv without a package",
        "build",
        partial(virtualenv_damaged, script="rm -r lib/python3*/site-packages/sqlparse"),
    ),
    Fault(
        "a virtualenv removed",
        "build",
        partial(stage_damaged, script='rm -r "$(readlink -f current/.venv)"'),
        "either",
    ),
    Fault("300 releases in a row", "record", lambda site: many(site), "new"),
]

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


def wanted(words: Sequence[str] = (), quick: bool = False) -> list[tuple[Fault, str]]:
    """The faults, each with a database that it is to happen with.

    Args:
        words: those that have one of them in their name and step alone; and a database's name
            leaves out the others
        quick: those of make test alone
    """
    names = [word for word in words if word not in DATABASES]
    databases = [word for word in words if word in DATABASES] or DATABASES
    return [
        (fault, database)
        for fault in FAULTS
        for database in fault.databases
        if database in databases
        and (not names or any(name in f"{fault.name} {fault.step}" for name in names))
        and (not quick or QUICK.get((fault.name, fault.step)) == database)
    ]


def small_disk(host: Host) -> None:
    """Put what is below /srv on a small disk, before anything runs from there; not the rows.

    On a disk that is full, SQLite fails by itself, whoever filled it.
    """
    for path, options in (
        ("/srv", "size=700m,nr_inodes=60000"),
        (f"{HOME}/shared", "size=100m"),
    ):
        host.shell(
            f"mkdir /mnt/new && mount -t tmpfs -o {options} tmpfs /mnt/new && "
            f"cp -a {path}/. /mnt/new && mount --bind /mnt/new {path} && umount /mnt/new && "
            "rmdir /mnt/new"
        )


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


# -- the report -----------------------------------------------------------------------------------

#: the head of the table on the page, below which this writes; the words are people's
TABLE = """\
| fault | step | database | requests | failed | rows lost | next deploy |
| --- | --- | --- | --- | --- | --- | --- |
"""


def with_row(page: str, row: str) -> str:
    """The page with a row of its table as it is known now; the others stay as they are.

    A fault that was never tried has a row that says so, and one that is no more has none.
    """
    before, found, after = page.partition(TABLE)
    must(found, f"{PAGE} has no such table:\n{TABLE}")
    rows = {}
    while after.startswith("|"):
        line, _, after = after.partition("\n")
        rows[first_cells(line)] = line
    rows[first_cells(row)] = row
    for fault in FAULTS:
        for database in fault.databases:
            cells = f"| {fault.name} | {fault.step} | {database} |"
            known = rows.get(first_cells(cells), f"{cells} not tried yet | | | |")
            found += f"{known}\n"
    return before + found + after


def first_cells(row: str) -> str:
    """What tells a row from the others: fault, step and database."""
    return "|".join(row.split("|")[:4])


@dataclass
class Stages:
    """The hosts that faults happen to, for each database one, and one with a small disk.

    Each is made when it is needed.
    """

    image: str | None
    folder: Path
    name: str = "faults"
    _sites: dict[tuple[str, bool], Site] = field(default_factory=dict)

    def site(self, database: str, on_small_disk: bool = False) -> Site:
        """Return the site on one of them."""
        which = (database, on_small_disk)
        if which not in self._sites:
            place = Path(tempfile.mkdtemp(dir=self.folder))
            name = f"{self.name}-{database}" + ("-small" if on_small_disk else "")
            host = Host.start(name, image=self.image)
            if self.image is None:
                (place / "first").mkdir()
                provision(host, place / "first")
            if on_small_disk:
                small_disk(host)
            self._sites[which] = Site.make(host, place, database)
        return self._sites[which]

    def try_one(self, fault: Fault, database: str) -> Row:
        """Have a fault happen. Where a promise was broken, the next one gets another host."""
        row = try_one(self.site(database, fault.small_disk), fault)
        if not row.is_good:
            self._sites.pop((database, fault.small_disk)).host.destroy()
        return row

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        for site in self._sites.values():
            site.host.destroy()


writing = threading.Lock()


def tell(row: Row) -> None:
    """Print a row, and write it to the page: a run that is stopped has not been for nothing."""
    with writing:
        print(row, flush=True)
        for line in [row.problem, *row.failures[:5], *row.lost[:5]]:
            if line:
                print(f"    {line}", file=sys.stderr, flush=True)
        PAGE.write_text(with_row(PAGE.read_text(), str(row)))


def main(words: Sequence[str]) -> int:
    """Try them, with the databases side by side; returns the exit status."""
    image = os.environ.get("GREENROOM_IMAGE")  # a provisioned host, to save a minute
    key()  # made once, before two ask for it
    default_image()

    def try_all(database: str) -> bool:
        all_good = True
        with tempfile.TemporaryDirectory() as folder, Stages(image, Path(folder)) as stages:
            for fault, its_database in wanted(words):
                if its_database == database:
                    row = stages.try_one(fault, database)
                    tell(row)
                    all_good &= row.is_good
        return all_good

    with ThreadPoolExecutor(len(DATABASES)) as pool:
        return 0 if all(list(pool.map(try_all, DATABASES))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
