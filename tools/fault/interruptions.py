"""Controllers that die, connections that are cut, hosts that lose their power."""

from __future__ import annotations

import contextlib
import time

from moments import Running, wait_until

from fault.changes import rebuilt
from fault.migrations import AT_WORK, TAKES_LONG, migrations_that
from fault.site import LOCK, FaultError, Site, must
from fault.steps import DEPLOY, REVERSE


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


def rebooted(site: Site, task: str, moment: str = "after", again: bool = False) -> None:
    """The host loses its power at a step, and comes back when the run has failed.

    Args:
        site: the site
        task: the step's task
        moment: "after" it, or "before" for while it works
        again: whether the same revision is deployed then, see deploy_again()
    """
    changed_for(site, task)
    with site.audience.excuses("read", "write"):
        with site.stopped("deploy.yml", moment, task) as running:
            if moment == "before":
                at_work(site, running, task)
            site.host.kill()
        power_on(site)
        if again:
            deploy_again(site)


def power_cut(site: Site, seconds: float) -> None:
    """The host loses its power so many seconds after a handover began, until it was recorded."""
    site.change()
    with site.audience.excuses("read", "write"):
        with site.stopped("deploy.yml", "before", DEPLOY["hand over"]) as running:
            running.let_go()
            time.sleep(seconds)
            site.host.kill()
        power_on(site)
        deploy_again(site)


def deploy_again(site: Site) -> None:
    """Deploy the same revision, where nothing may be left to do but to recover.

    Then the current release alone runs and comes up at boot; after one more boot, too.
    """
    run = site.run("deploy.yml")
    must(run.returncode == 0, f"the same again failed:\n{run.output}")
    site.check_releases()
    site.host.kill()
    power_on(site)
    site.check_releases()


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
