"""Databases that are stopped, reversed or restored while something happens."""

from __future__ import annotations

from collections.abc import Callable

from moments import Running

from fault.changes import must_refuse
from fault.interruptions import at_work, power_on, wait_for_answer
from fault.migrations import TAKES_LONG, constraints, migrations_that
from fault.site import HOME, LOCK, Site, must
from fault.steps import REVERSE


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
        arguments += ["-e", "restore_database=true"]
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
