"""What somebody damages by hand on a host."""

from __future__ import annotations

from fault.changes import refused
from fault.site import HOME, Site, must


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
