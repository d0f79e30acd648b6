"""Three hosts behind a balancer, with a database on a host of its own.

One story, under visitors who come through the balancer. Hosts are left out, fail and die in it, and
at the end all of them serve one release again.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from audience import Audience
from fleet import HOME, Fleet, release_of
from host import Load, PlaybookRun, command
from moments import at, one_line

from tests.end_to_end.releases import stylesheet

pytestmark = pytest.mark.story


def changed(run: PlaybookRun) -> int:
    """How many tasks changed something."""
    return sum(counts["changed"] for counts in run.recap.values())


def hook(folder: Path, moment: str, task: dict[str, Any]) -> str:
    """Extra variables with one hook of one task."""
    file = folder / f"{moment}.yml"
    file.write_text(json.dumps([{"name": "Be a hook", **task}]))
    return json.dumps({"app_hooks": {moment: str(file)}})


def test_preparing_it_again_changes_nothing(fleet: Fleet) -> None:
    assert changed(fleet.run("site.yml")) == 0


def test_nothing_serves_yet(fleet: Fleet) -> None:
    answer = fleet.balancer.get("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert "Back in a moment" in answer.text


def test_the_first_deploy(fleet: Fleet) -> None:
    fleet.push("v1")
    fleet.run("deploy.yml")
    assert fleet.releases() == [1, 1, 1]
    assert fleet.out() == set()
    assert release_of(fleet.balancer) == 1
    assert fleet.applied() == ["0001_initial"]
    again = fleet.run("deploy.yml")
    assert "Nothing to do: release 1" in again.stdout
    assert changed(again) == 0
    assert fleet.locked() == []


def test_who_the_visitor_is_nobody_can_say_but_the_balancer(fleet: Fleet) -> None:
    """The access log of nginx has the address that it takes the visitor to have."""
    web = fleet.webs[0]
    web.get("/?past-the-balancer", X_Forwarded_For="192.0.2.66")
    for _ in range(3):
        fleet.balancer.get("/?through-it", X_Forwarded_For="192.0.2.66")
    logs = "".join(host.shell("cat /var/log/nginx/access.log") for host in fleet.webs)
    assert "past-the-balancer" in logs
    assert "through-it" in logs
    assert "192.0.2.66" not in logs
    through = [line for line in logs.splitlines() if "through-it" in line]
    assert not [line for line in through if line.startswith(fleet.balancer.address)]


def test_deploys_and_a_rollback_under_load(fleet: Fleet) -> None:
    """With migrations, once for all; and what a page from before needs is there all the time."""
    first, old = fleet.releases()[0], stylesheet(fleet.balancer)
    with Load(fleet.balancer, connections=4) as load, Audience(fleet.balancer) as audience:
        fleet.push("v3")
        run = fleet.run("deploy.yml")
        assert fleet.releases() == [first + 1] * 3
        assert run.output.count("Take a snapshot and apply pending migrations") == 1
        assert {host.get(old).status for host in [*fleet.webs, fleet.balancer]} == {200}
        fleet.run("rollback.yml")
        assert fleet.releases() == [first] * 3
        fleet.push("v6")
        fleet.run("deploy.yml", "-e", "app_serial=50%")
        assert fleet.releases() == [first + 2] * 3
    assert load.failures == 0, str(load)
    assert audience.failures == []
    assert audience.missing() == []
    assert fleet.applied() == ["0001_initial", "0002_show_stage", "0003_fill_stage"]
    snapshots = [host.shell(f"ls {HOME}/backups || true").split() for host in fleet.webs]
    assert [bool(names) for names in snapshots] == [True, False, False], "once, on the first host"
    assert fleet.out() == set()


def test_one_that_fails_in_the_second_batch_goes_back_everywhere(
    fleet: Fleet, tmp_path: Path
) -> None:
    before, second = fleet.releases(), fleet.webs[1].container
    fails = {"ansible.builtin.fail": {"msg": "the hook says no"}}
    extra = hook(tmp_path, "join_balancer", {**fails, "when": f"inventory_hostname == '{second}'"})
    fleet.push("v3")
    with Load(fleet.balancer, connections=4) as load:
        run = fleet.run("deploy.yml", "-e", extra, check=False)
    assert run.returncode != 0
    assert "the hook says no" in run.output
    assert load.failures == 0, str(load)
    assert fleet.releases() == before
    assert (fleet.out(), fleet.locked()) == (set(), [])


def test_a_host_that_is_away_is_found_out_before_anything_is_changed(fleet: Fleet) -> None:
    away, others = fleet.webs[2], fleet.webs[:2]
    serving, before = fleet.releases()[0], [host.shell(f"ls {HOME}/releases") for host in others]
    away.freeze()
    run = fleet.run("deploy.yml", "-e", "rev=v3", check=False)
    assert run.returncode != 0
    assert f"{away.container} cannot be reached" in one_line(run)
    assert f"staging:!{away.container}" in one_line(run)
    assert fleet.releases(*others) == [serving, serving]
    assert [host.shell(f"ls {HOME}/releases") for host in others] == before
    table = fleet.run("status.yml", check=False).output
    assert f"release {serving} serves, healthy" in table
    assert f"Of {away.container} nothing is known." in table


def test_going_on_without_it_and_bringing_it_level(fleet: Fleet) -> None:
    away, before = fleet.webs[2], fleet.releases(fleet.webs[0])[0]
    fleet.run("deploy.yml", "-l", f"staging:!{away.container}", "-e", "rev=v3")
    now, also = fleet.releases(*fleet.webs[:2])
    assert before < now == also
    assert fleet.out() == {away.container}
    fleet.balancer.shell("systemctl restart haproxy")
    assert fleet.out() == {away.container}, "it is remembered"
    away.thaw()
    time.sleep(3)  # the balancer would see that it is well again
    assert {release_of(fleet.balancer) for _ in range(6)} == {now}
    table = fleet.run("status.yml").output
    assert f"{away.container} serves {before}, the others {now}." in table
    assert f"The balancer sends nobody to {away.container}." in table
    fleet.run("deploy.yml", "-l", away.container)
    assert fleet.releases() == [now] * 3
    assert fleet.out() == set()
    assert "the others" not in fleet.run("status.yml").output


def test_the_smaller_part_cannot_get_a_release_of_its_own(fleet: Fleet) -> None:
    before = fleet.releases()
    run = fleet.run("deploy.yml", "-l", fleet.webs[0].container, "-e", "rev=v6", check=False)
    assert run.returncode != 0
    assert "Exclude the minority of the hosts" in one_line(run)
    assert (fleet.releases(), fleet.out(), fleet.locked()) == (before, set(), [])


def test_a_balancer_that_cannot_be_reached_locks_nobody_out(fleet: Fleet) -> None:
    before = fleet.releases()
    inside = ("docker", "exec", fleet.balancer.container)
    command(*inside, "sh", "-c", "systemctl stop ssh; pkill --uid deploy --exact sshd || true")
    try:
        run = fleet.run("deploy.yml", "-e", "rev=v1", check=False)
    finally:
        command(*inside, "systemctl", "start", "ssh")
    assert run.returncode != 0
    assert re.search(rf"-> {fleet.balancer.container}\S*\]: UNREACHABLE!", run.output)
    assert f"Release {before[0]} is current, as before." in one_line(run)
    assert (fleet.releases(), fleet.locked()) == (before, [])


@pytest.mark.extended
def test_a_host_that_dies_in_the_roll(fleet: Fleet) -> None:
    """What was on it is lost, and nothing else; and it comes back without being served."""
    fleet.push("v6")
    before, dies = fleet.releases()[0], fleet.webs[1]
    kill = ["docker", "kill", dies.container]
    with Load(fleet.balancer, connections=4) as load, Audience(fleet.balancer) as audience:
        moment = at("after", "Hand over to release", kill)
        run = fleet.run("deploy.yml", check=False, env=moment)
    assert run.returncode != 0
    survivors = [host for host in fleet.webs if host is not dies]
    assert fleet.releases(*survivors) == [before, before]
    assert load.failures <= 4, str(load)
    assert len(audience.failures) <= 2, audience.failures
    assert fleet.out() == {dies.container}
    fleet.power_on(dies)
    assert fleet.locked() == [dies.container], "the lock of a dead run, which the next takes over"
    fleet.run("deploy.yml")
    assert len(set(fleet.releases())) == 1
    assert (fleet.out(), fleet.locked()) == (set(), [])
    assert audience.missing() == []
