"""Releases under upstart, by a stand-in for it that is the first process of the host.

No distribution ships upstart any more. The host is Debian, and no systemd runs on it; what stands
in for upstart is in the folder beside, and does what a job file says by the rules of init(5).
The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from example import Example, settings
from host import Host, ansible_environment, command
from upstart_host import UpstartHost, upstart_image

from tests.end_to_end.releases import (
    HOME,
    check_crash_at_import,
    check_drain_by_hand,
    check_environment,
    check_life_under_load,
    check_limits,
    check_log_is_private,
    check_restart_of_what_crashes,
    configure,
    deploy,
    master,
    running,
    serving,
    wait_until_alone,
    wait_until_up,
)

pytestmark = [pytest.mark.extended, pytest.mark.story]


def jobs(host: Host) -> dict[str, str]:
    """The app's jobs, as initctl lists them: their names, and goal and state."""
    listed = host.run(["initctl", "list"]).stdout
    return dict(re.findall(r"^(playbill\S*(?: \(\d+\))?) (\S+/[a-z-]+)", listed, re.MULTILINE))


@pytest.fixture(scope="module")
def host(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Host:
    """A host under upstart that was prepared before, under systemd; that spares half a minute."""
    host = start_host(kind=UpstartHost, image=upstart_image(provisioned_image))
    known = settings("localhost", host.address)
    host.inventory(tmp_path_factory.mktemp("inventory") / "staging", **known)
    return host


def test_the_host_looks_like_one_with_upstart(host: Host) -> None:
    """To Ansible as well; product code is told nothing else."""
    assert host.run(["initctl", "version"]).stdout == "init (upstart 1.13.2)\n"
    assert host.run(["test", "-e", "/run/systemd"], check=False).returncode == 1
    ask = ["--inventory", str(host.last_inventory), "--module-name", "setup", "--become", "all"]
    told = ("--args", "gather_subset=!all filter=ansible_service_mgr")
    run = command(Path(".venv/bin/ansible").absolute(), *ask, *told, env=ansible_environment({}))
    assert "ansible_service_mgr: upstart" in run.stdout


@pytest.mark.parametrize("manager", ["systemd", "supervisor"])
def test_what_does_not_run_there_is_refused(host: Host, manager: str) -> None:
    before = host.checksum("/etc", "/srv")
    run = host.playbook("site.yml", "-e", f"app_service_manager={manager}", check=False)
    assert f"app_service_manager is {manager}, which does not run here." in run.stdout
    assert host.checksum("/etc", "/srv") == before


@pytest.fixture(scope="module")
def stage(host: Host) -> Host:
    """The host, prepared for upstart."""
    more = {"gunicorn_memory_max": "300M", "gunicorn_drain": 3, "app_backup_at": "*-*-* 03:30:00"}
    configure(host, app_service_manager="upstart", **more)
    host.playbook("site.yml")
    return host


@pytest.fixture(scope="module")
def playbill(stage: Host, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example's working copy, which pushes to the host, with its first release on stage."""
    example = Example.make(tmp_path_factory.mktemp("playbill"))
    example.publish(stage)
    deploy(stage, example, "v1")
    return example


def test_its_jobs_are_valid(stage: Host) -> None:
    for job in ("playbill", "playbill-releases"):
        checked = stage.run(["init-checkconf", f"/etc/init/{job}.conf"]).stdout
        assert checked == f"File /etc/init/{job}.conf: syntax ok\n"
    assert jobs(stage) == {"playbill": "stop/waiting", "playbill-releases": "stop/waiting"}


@pytest.mark.usefixtures("playbill")
def test_a_release_is_an_instance(stage: Host) -> None:
    assert serving(stage) == 1
    assert jobs(stage) == {"playbill (1)": "start/running", "playbill-releases": "stop/waiting"}
    assert stage.run(["cat", "/etc/playbill/releases-at-boot"]).stdout == "1\n"


def test_the_stand_in_has_upstarts_words(stage: Host) -> None:
    """Those that a real upstart 1.13.2 printed."""

    def said(*argv: str) -> str:
        run = stage.run(["initctl", *argv], check=False)
        return run.stdout + run.stderr

    usage = "initctl: Unknown parameter: RELEASE\nUsage: playbill RELEASE=42\n"
    assert [said(verb, "playbill") for verb in ("start", "stop")] == [usage, usage]
    more = "Try `initctl --help' for more information.\n"
    assert said("raise") == f"initctl: invalid command: raise\n{more}"
    (number,) = running(stage)
    assert said("stop", "playbill", f"RELEASE={number}") == "playbill stop/waiting\n"
    stage.run(["start", "playbill", f"RELEASE={number}"])
    wait_until_up(stage)


def test_the_environment_is_the_same_byte_for_byte(stage: Host) -> None:
    check_environment(stage, 1, "UPSTART")


def test_its_limits_are_those_of_the_settings(stage: Host) -> None:
    check_limits(stage, 1, "greenroom-playbill-1")


def test_a_deploy_and_a_rollback_under_load(stage: Host, playbill: Example) -> None:
    check_life_under_load(stage, playbill)
    time.sleep(1)  # what has no process any more has still its last step to take
    assert jobs(stage) == {"playbill (3)": "start/running", "playbill-releases": "stop/waiting"}


def test_a_crash_at_import_never_serves(stage: Host, playbill: Example) -> None:
    check_crash_at_import(stage, playbill)


def test_the_logs_are_not_for_the_world(stage: Host) -> None:
    check_log_is_private(stage, f"/var/log/upstart/playbill-{serving(stage)}.log")


def test_what_crashes_is_started_again(stage: Host) -> None:
    check_restart_of_what_crashes(stage)


def test_a_release_never_runs_twice(stage: Host) -> None:
    """Where the launcher is killed, and can end nothing any more, upstart's job does."""
    now = serving(stage)
    before = master(stage, now)
    above = f"/proc/{before}/stat"
    stage.shell(f"kill -KILL $(cut -d ' ' -f 4 {above})")
    while not stage.run(["test", "-e", f"/proc/{before}"], check=False).returncode:
        time.sleep(0.1)  # it answers until it has gone
    wait_until_up(stage)
    assert running(stage) == [now]
    assert master(stage, now) != before


def test_whoever_stops_it_by_hand_drains_it(stage: Host) -> None:
    instance = ["playbill", f"RELEASE={serving(stage)}"]
    check_drain_by_hand(stage, ["stop", *instance], ["status", *instance], "stop/killed")
    stage.run(["start", *instance])
    wait_until_up(stage)


def test_the_next_release_has_the_settings_that_changed(stage: Host, playbill: Example) -> None:
    """Though upstart reads no job again while a release runs."""
    configure(stage, app_service_manager="upstart", gunicorn_open_files=2048)
    run = stage.playbook("site.yml")
    assert run.recap[stage.container]["changed"] == 1, "and nothing else was written again"
    deploy(stage, playbill, "v6")
    now = serving(stage)
    wait_until_alone(stage, now)
    check_limits(stage, now, f"greenroom-playbill-{now}", open_files=2048)


def test_status_says_how_it_is(stage: Host) -> None:
    now = serving(stage)
    assert f"release {now} serves, healthy" in stage.playbook("status.yml").stdout


def test_cron_takes_the_snapshots(stage: Host) -> None:
    line = stage.run(["tail", "-n", "1", "/etc/cron.d/playbill-backup"]).stdout
    assert line.startswith("30 3 * * * root nice ")
    stage.shell(f"rm -rf {HOME}/backups/*; {line.partition(' root ')[2]}")
    assert stage.shell(f"ls {HOME}/backups").split() != []
    assert stage.run(["pgrep", "--exact", "cron"], check=False).returncode == 0


def test_the_current_release_alone_comes_up_after_a_reboot(stage: Host, playbill: Example) -> None:
    """One that was still in the green room does not."""
    now = serving(stage)
    stage.run(["start", "playbill", f"RELEASE={now - 1}"], check=False)
    stage.reboot()
    playbill.follow(stage)
    wait_until_up(stage)
    assert serving(stage) == now
    assert running(stage) == [now]
    log = "/var/log/upstart/playbill-releases.log"
    assert "already running" not in stage.run(["cat", log], check=False).stdout
