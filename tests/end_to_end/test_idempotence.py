"""Anything twice changes nothing the second time, and a dry run changes nothing at all."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from example import Example, settings
from host import Host, PlaybookRun

pytestmark = pytest.mark.story

FETCH_HEAD = "/srv/playbill/build/repository/FETCH_HEAD"
UNITS = ["nginx.service", "playbill@1.service", "ssh.service"]


def started(host: Host) -> str:
    """When each unit was started, and as which process: a restart or a reload shows."""
    properties = "--property=Id,ActiveState,MainPID,ActiveEnterTimestampMonotonic,ExecReload"
    return host.run(["systemctl", "show", properties, *UNITS]).stdout


def state(host: Host) -> dict[str, str]:
    """All that a run could change: files, users, packages, units."""
    return {
        **host.listing("/srv", "/etc", "/usr/lib/systemd", "/opt", "/var/www"),
        "units": host.shell(
            "systemctl list-units --all --plain --no-legend --type=service,socket,timer"
        ),
        "packages": host.shell("dpkg --get-selections"),
        "started": started(host),
        # A green room that was opened again would have another time.
        "run": host.shell("find /run/playbill -printf '%p %M %u %g %T@ %l\\n' 2>/dev/null || true"),
    }


@contextmanager
def nothing_changes(host: Host, fetched: bool = False) -> Iterator[None]:
    """Everything on the host is afterwards as it was before; but for git's own note of a fetch."""
    before = state(host)
    yield
    after = state(host)
    if fetched:
        before[FETCH_HEAD] = after[FETCH_HEAD]
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} == set()


def counts(run: PlaybookRun, host: Host) -> tuple[int, int]:
    """How many tasks changed something, and how many failed."""
    recap = run.recap[host.container]
    return recap["changed"], recap["failed"] + recap["unreachable"]


# -- a bare host ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bare(bare_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host on which nothing was done, with an inventory."""
    path = tmp_path_factory.mktemp("bare") / "staging"
    bare_host.inventory(path, **settings("localhost"))
    return bare_host


def test_a_dry_run_of_site_on_a_bare_host(bare: Host) -> None:
    with nothing_changes(bare):
        run = bare.playbook("site.yml", "--check", "--diff")
    assert f"{bare.container} is bare, and would be prepared for playbill" in run.stdout


def test_a_dry_run_of_deploy_on_a_bare_host(bare: Host) -> None:
    """It says what the deploy would say, which is no success."""
    with nothing_changes(bare):
        run = bare.playbook("deploy.yml", "--check", "--diff", check=False)
    assert run.returncode != 0
    assert "This host is not prepared for playbill" in run.stdout
    assert "Run site.yml on it first" in run.stdout


def test_a_dry_run_of_site_that_can_look_closer(bare: Host) -> None:
    """With the one package that Ansible's own dry runs need, every step says what it would do."""
    bare.shell("apt-get -qq install --yes python3-apt >/dev/null")
    with nothing_changes(bare):
        run = bare.playbook("site.yml", "--check", "--diff")
    assert counts(run, bare)[0] > 10
    for words in ("path: /srv/playbill/releases", "MemoryMax=infinity", "server_name localhost;"):
        assert words in run.stdout


# -- a prepared host ------------------------------------------------------------------------------


def test_a_dry_run_of_site_shows_what_a_new_setting_would_change(host: Host) -> None:
    with nothing_changes(host):
        run = host.playbook("site.yml", "--check", "--diff", "-e", "app_port=8080")
    assert "+    listen 8080;" in run.stdout
    assert counts(run, host)[0] > 0


def test_a_dry_run_of_the_first_deploy(host: Host, playbill: Example) -> None:
    playbill.set_branch("staging", "v1")
    revision = playbill.git("rev-parse", "v1^{commit}")
    with nothing_changes(host):
        run = host.playbook("deploy.yml", "--check", "--diff")
    assert f"Would deploy release 1 ({revision[:10]})." in run.stdout
    assert f"-no release\n+release 1 of {revision[:12]}\n" in run.stdout


@pytest.mark.usefixtures("playbill")
def test_site_a_second_time(host: Host) -> None:
    host.playbook("site.yml")
    host.playbook("deploy.yml")
    assert host.get("/").status == 200
    with nothing_changes(host):
        run = host.playbook("site.yml")
    assert counts(run, host) == (0, 0)


def test_deploy_a_second_time(host: Host) -> None:
    with nothing_changes(host, fetched=True):
        run = host.playbook("deploy.yml")
    assert counts(run, host) == (0, 0)
    assert re.search(r"Nothing to do: release 1 \([0-9a-f]{10}\) serves already\.", run.stdout)


@pytest.mark.parametrize("playbook", ["deploy.yml", "status.yml"])
def test_a_dry_run_where_nothing_is_to_do(host: Host, playbook: str) -> None:
    with nothing_changes(host):
        run = host.playbook(playbook, "--check", "--diff")
    assert counts(run, host) == (0, 0)


@pytest.fixture(scope="module")
def change(playbill: Example) -> str:
    """A one-line change that waits to be deployed; its commit."""
    page = playbill.path / "playbill" / "__init__.py"
    playbill.git("switch", "--quiet", "staging")
    text = re.sub(r'VERSION_NAME = ".*"', 'VERSION_NAME = "One line"', page.read_text())
    return playbill.commit({"playbill/__init__.py": text}, "Change one line")


@pytest.mark.parametrize("options", [["--check"], ["--check", "--diff"]], ids=" ".join)
def test_a_dry_run_of_a_new_revision(host: Host, change: str, options: list[str]) -> None:
    with nothing_changes(host):
        run = host.playbook("deploy.yml", *options)
    assert f"Would deploy release 2 ({change[:10]})." in run.stdout
    if "--diff" in options:
        assert re.search(
            rf"-release 1 of [0-9a-f]{{12}}\n\+release 2 of {change[:12]}\n", run.stdout
        )


@pytest.mark.usefixtures("change")
def test_a_deploy_of_one_line_takes_twelve_tasks(host: Host) -> None:
    run = host.playbook("deploy.yml")
    assert "One line" in host.get("/").text
    assert run.recap[host.container]["ok"] <= 12


def test_a_dry_run_of_a_rollback(host: Host) -> None:
    for _ in range(100):  # the release that left has still to drain, and to go
        if "inactive" in host.shell("systemctl is-active playbill@1", check=False):
            break
        time.sleep(0.1)
    with nothing_changes(host):
        run = host.playbook("rollback.yml", "--check", "--diff")
    assert re.search(r"Would go back to release 1 \([0-9a-f]{10}\)\.", run.stdout)
    assert "-on stage: 2\n+on stage: 1\n" in run.stdout
