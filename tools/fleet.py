"""Several hosts of the example site behind a balancer, with a database on a host of its own.

Only the standard library is used, as in the tools beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from example import Example, settings
from host import Host, PlaybookRun, ansible_playbook, write_inventory

HOME = "/srv/playbill"
ASK = "echo 'show servers state playbill' | socat stdio unix-connect:/run/haproxy/admin.sock"


@dataclass
class Fleet:
    """The hosts, the inventory that names them, and the repository that all of them have."""

    webs: Sequence[Host]
    database: Host
    balancer: Host
    inventory: Path
    example: Example
    #: what the inventory says of each host behind the balancer
    settings: dict[str, Any]

    @classmethod
    def make(
        cls, start: Callable[..., Host], image: str, folder: Path, count: int = 3, **more: Any
    ) -> Fleet:
        """Start the hosts; site.yml has still to be run.

        Args:
            start: what starts a host, with an image where it gets one
            image: that of a host which site.yml has provisioned
            folder: an empty one
            count: how many hosts stand behind the balancer
            more: settings of the inventory
        """
        # All have one folder of uploads, as by a file system that each has mounted there.
        first = start(image=image, limits=[f"--volume={HOME}/shared/media"])
        share = [f"--volumes-from={first.container}"]
        webs = [first, *(start(image=image, limits=share) for _ in range(count - 1))]
        database, balancer = start(), start()
        own = settings("localhost", *(host.address for host in [*webs, balancer]))
        # No backup by itself: at midnight, it would hold the lock of the first host.
        own |= {"app_database": "postgresql", "app_migration_check": "off", "app_backup_at": ""}
        own |= more
        inventory = write_inventory(
            folder / "staging", dict.fromkeys(webs, own), database=database, balancers=[balancer]
        )
        return cls(webs, database, balancer, inventory, Example.make(folder / "playbill"), own)

    def run(
        self,
        playbook: str,
        *arguments: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> PlaybookRun:
        """Run a playbook on all of them, or as the arguments say."""
        return ansible_playbook(self.inventory, playbook, *arguments, check=check, env=env)

    def power_on(self, host: Host) -> None:
        """Start a host again after its power was cut.

        A container may get another address, which the database and the balancer have to know.
        """
        before = host.address
        host.power_on()
        if host.address != before:
            self.run("site.yml")

    def push(self, revision: str) -> None:
        """Make a revision the tip of staging, in the repository of every host."""
        for host in self.webs:
            self.example.publish(host)
            self.example.set_branch("staging", revision)

    def releases(self, *webs: Host) -> list[int]:
        """What each serves, asked past the balancer."""
        return [release_of(host) for host in webs or self.webs]

    def out(self, balancer: Host | None = None) -> set[str]:
        """Whom the balancer sends nobody to, since it was told so."""
        return out_of((balancer or self.balancer).shell(ASK))

    def locked(self) -> list[str]:
        """The hosts whose lock somebody holds."""
        look = ["test", "-e", f"{HOME}/lock.json"]
        return [host.container for host in self.webs if not host.run(look, check=False).returncode]

    def applied(self) -> list[str]:
        """The site's own migrations, in the order in which they were applied."""
        sql = "SELECT name FROM django_migrations WHERE app = 'shows' ORDER BY id"
        argv = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname=playbill"]
        return self.database.run([*argv, "--command", sql], user="postgres").stdout.split()


def out_of(answer: str) -> set[str]:
    """Whom a balancer sends nobody to, by what it answered to ASK."""
    lines = [line.split() for line in answer.splitlines()]
    return {words[3] for words in lines if len(words) > 6 and words[6] == "1"}


def release_of(host: Host) -> int:
    """The release that answers, by its own word; 0 where none does."""
    found = re.search(r'name="playbill-release" content="(\d+)"', host.get("/").text)
    return int(found[1]) if found else 0
