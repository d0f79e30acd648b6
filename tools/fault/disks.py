"""Disks that are full."""

from __future__ import annotations

import secrets

from host import Host

from fault.changes import must_refuse, rebuilt
from fault.migrations import migrations_that
from fault.site import HOME, Site, must
from fault.steps import DEPLOY


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
