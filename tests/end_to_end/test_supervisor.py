"""Releases under supervisor: a host moves to it from systemd while it serves, and back in the end.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import time

import pytest
from example import Example
from host import Host, Load

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


def programs(host: Host) -> dict[str, str]:
    """The states of supervisor's programs, as supervisorctl shows them."""
    lines = host.run(["supervisorctl", "status"], check=False).stdout.splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


@pytest.fixture(scope="module")
def stage(host: Host, playbill: Example) -> Host:
    """A host that serves release 1 under systemd, and has been told since to use supervisor."""
    deploy(host, playbill, "v1")
    more = {"gunicorn_memory_max": "300M", "gunicorn_drain": 3}
    configure(host, app_service_manager="supervisor", **more)
    return host


def test_the_host_must_be_prepared_for_it(stage: Host) -> None:
    before = stage.checksum("/etc", HOME)
    run = stage.playbook("deploy.yml", check=False)
    assert "This host is not prepared to run playbill under supervisor" in run.stdout
    run = stage.playbook("site.yml", "-e", "app_service_manager=upstart", check=False)
    assert "app_service_manager is upstart, which does not run here." in run.stdout
    assert stage.checksum("/etc", HOME) == before
    assert serving(stage) == 1


def test_a_host_moves_to_it_while_it_serves(stage: Host) -> None:
    stage.playbook("site.yml")
    stage.shell(
        "printf '[program:other]\\ncommand=/bin/sleep 1000000\\n' "
        ">/etc/supervisor/conf.d/other.conf && supervisorctl update"
    )
    with Load(stage) as load:
        # The same revision: it is the service manager that is another one.
        stage.playbook("deploy.yml")
        assert serving(stage) == 2
    assert load.failures == 0, str(load)
    assert running(stage) == [2], "the one before has ended, and nothing is served twice"
    assert programs(stage).keys() == {"playbill@2", "other"}
    units = stage.shell("systemctl list-units --all --plain --no-legend 'playbill@*'")
    assert units == ""
    assert stage.shell("find /etc/systemd/system -name 'playbill@*'") == ""


def test_the_environment_is_the_same_byte_for_byte(stage: Host) -> None:
    check_environment(stage, 2, "SUPERVISOR")


def test_its_limits_are_those_of_the_settings(stage: Host) -> None:
    check_limits(stage, 2, "playbill-2.scope")


def test_a_deploy_and_a_rollback_under_load(stage: Host, playbill: Example) -> None:
    check_life_under_load(stage, playbill)


def test_no_other_program_was_touched(stage: Host) -> None:
    """And whoever types `supervisorctl update` for another program touches no release."""
    now = serving(stage)
    pids = f"supervisorctl pid other; supervisorctl pid playbill@{now}"
    before = stage.shell(pids)
    update = stage.shell("supervisorctl update")
    assert f"playbill@{now}" not in update
    assert "other" not in update
    assert stage.shell(pids) == before
    starts = stage.shell("grep -c \"spawned: 'other'\" /var/log/supervisor/supervisord.log")
    assert starts.strip() == "1"


def test_a_crash_at_import_never_serves(stage: Host, playbill: Example) -> None:
    check_crash_at_import(stage, playbill)


def test_the_logs_are_not_for_the_world(stage: Host) -> None:
    check_log_is_private(stage, f"/var/log/supervisor/playbill/playbill@{serving(stage)}.log")


def test_what_crashes_is_started_again(stage: Host) -> None:
    check_restart_of_what_crashes(stage)


def test_a_release_never_runs_twice(stage: Host) -> None:
    """The programs of a supervisor that is killed go on, until the next one starts them again."""
    now = serving(stage)
    before = master(stage, now)
    stage.shell("systemctl kill --signal=KILL supervisor; sleep 1")
    assert stage.get("/health/").status == 200, "what serves does not need it"
    stage.shell("systemctl restart supervisor")
    for _ in range(100):
        if programs(stage).get(f"playbill@{now}") == "RUNNING":
            break
        time.sleep(0.2)
    wait_until_up(stage)
    assert running(stage) == [now]
    assert master(stage, now) != before


def test_whoever_stops_it_by_hand_drains_it(stage: Host) -> None:
    program = f"playbill@{serving(stage)}"
    stop, status = ["supervisorctl", "stop", program], ["supervisorctl", "status", program]
    check_drain_by_hand(stage, stop, status, "STOPPING")
    stage.run(["supervisorctl", "start", program])
    assert stage.get("/health/").status == 200


def test_status_says_how_it_is(stage: Host) -> None:
    now = serving(stage)
    assert f"release {now} serves, healthy" in stage.playbook("status.yml").stdout
    assert stage.playbook("site.yml").recap[stage.container]["changed"] == 0


def test_the_current_release_alone_comes_up_after_a_reboot(stage: Host, playbill: Example) -> None:
    """One that was still in the green room does not."""
    now = serving(stage)
    stage.shell(
        "ln -s /run/greenroom/playbill@99.conf /etc/supervisor/conf.d/playbill@99.conf;"
        f"sed s/@{now}/@99/ /etc/supervisor/conf.d/playbill@{now}.conf "
        ">/run/greenroom/playbill@99.conf"
    )
    stage.reboot()
    playbill.follow(stage)
    wait_until_up(stage)
    assert serving(stage) == now
    assert running(stage) == [now]
    assert "playbill@99" not in programs(stage)


def test_a_host_moves_back_while_it_serves(stage: Host, playbill: Example) -> None:
    before = serving(stage)
    configure(stage, app_service_manager="systemd")
    stage.playbook("site.yml")
    with Load(stage) as load:
        deploy(stage, playbill, "v6")
        assert serving(stage) > before
        stage.playbook("rollback.yml")
        assert serving(stage) == before
    assert load.failures == 0, str(load)
    wait_until_alone(stage, before)
    assert programs(stage).keys() == {"other"}
    assert stage.shell("ls /etc/supervisor/conf.d").split() == ["other.conf"]
