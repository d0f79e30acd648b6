"""The example site on a host, with visitors, and the checks of what is left after a fault."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audience import Audience
from example import Example, settings
from host import Host, PlaybookRun
from moments import Running, at

HOME = "/srv/playbill"

LOCK = f"{HOME}/lock.json"


class FaultError(Exception):
    """Greenroom did not do what it promises."""


def must(holds: object, otherwise: str) -> None:
    """Raise FaultError, unless it holds."""
    if not holds:
        raise FaultError(otherwise)


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
    manager: str
    #: what every change starts from, so that no fault is in the next one's way
    base: str = ""
    audience: Audience = field(init=False)

    @classmethod
    def make(cls, host: Host, folder: Path, database: str, manager: str = "systemd") -> Site:
        """Deploy the site twice on a host that site.yml has provisioned.

        Args:
            host: the host
            folder: an empty one, for the inventory and the working copy
            database: what keeps the rows
            manager: what starts and stops the releases
        """
        more = {} if database == "sqlite" else {"app_database": database}
        more["app_service_manager"] = manager
        small = {"app_free_space": 50, "app_free_inodes": 1000, "gunicorn_memory_max": "300M"}
        host.inventory(folder / "staging", **{**settings("localhost"), **small, **more})
        host.playbook("site.yml")
        example = Example.make(folder / "playbill")
        example.publish(host)
        site = cls(host, example, folder, database, manager, example.git("rev-parse", "v2"))
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
        if self.manager == "upstart":
            listed = self.host.shell("initctl list")
            return {int(number) for number in re.findall(r"^playbill \((\d+)\)", listed, re.M)}
        units = self.host.shell("systemctl list-units --plain --no-legend 'playbill@*'")
        return {int(number) for number in re.findall(r"playbill@(\d+)\.service", units)}

    def enabled(self) -> set[int]:
        """The releases that come up at boot."""
        if self.manager == "upstart":
            return {int(n) for n in self.host.shell("cat /etc/playbill/releases-at-boot").split()}
        units = self.host.shell("ls /etc/systemd/system/multi-user.target.wants")
        return {int(number) for number in re.findall(r"playbill@(\d+)\.service", units)}

    def check_releases(self) -> None:
        """Raise FaultError, unless the current release alone runs, and comes up at boot."""
        number = self.serving()
        deadline = time.monotonic() + 60  # a worker that hangs is given half a minute
        while self.running() != {number} and time.monotonic() < deadline:
            time.sleep(0.1)
        must(self.running() == {number}, f"{self.running()} run, and only {number} should")
        must(self.enabled() == {number}, f"{self.enabled()} come up at boot, and not {number}")

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
        self.check_releases()
        must(self.host.run(["test", "-e", LOCK], check=False).returncode, "the lock was left")
        must(self.migrations() == MIGRATIONS, f"the schema does not fit: {self.migrations()}")
        left = [e["number"] for e in self.journal() if e["result"] == "building"]
        must(not left, f"the journal has releases that are still being built: {left}")
        return run.seconds


Happening = Callable[[Site], None]
