"""The whole way on other systems: from a bare host to releases that come, go and outlive a boot.

The other modules have Debian 12. What differs is in the versions of everything: Python, systemd,
nginx, PostgreSQL, git.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from example import Example, settings
from fleet import release_of
from host import Host, Load, default_image
from moments import one_line

pytestmark = [pytest.mark.extended, pytest.mark.story]

SYSTEMS = ["debian-13", "ubuntu-22.04", "ubuntu-24.04"]


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    """What the host has, as tools/image calls it."""
    return str(request.param)


@pytest.fixture(scope="module")
def site(
    start_host: Callable[..., Host], system: str, tmp_path_factory: pytest.TempPathFactory
) -> Host:
    """A bare host, and an inventory that wants PostgreSQL there."""
    host = start_host(image=default_image(system))
    own = {**settings("localhost", host.address), "app_database": "postgresql"}
    host.inventory(tmp_path_factory.mktemp("inventory") / "staging", **own)
    return host


@pytest.fixture(scope="module")
def example(site: Host, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example's working copy, which pushes to the host once site.yml has brought git there."""
    site.playbook("site.yml")
    made = Example.make(tmp_path_factory.mktemp("playbill"))
    made.publish(site)
    return made


def test_it_is_what_it_is_called(site: Host, system: str) -> None:
    name, version = system.split("-")
    told = site.shell(". /etc/os-release && echo $ID $VERSION_ID").split()
    assert told == [name, version]


def test_a_bare_host_is_prepared_once(site: Host, example: Example) -> None:  # noqa: ARG001 - it has run site.yml
    assert site.playbook("site.yml").recap[site.container]["changed"] == 0


def test_deploys_and_a_rollback_under_load(site: Host, example: Example) -> None:
    example.set_branch("staging", "v1")
    site.playbook("deploy.yml")
    with Load(site, connections=4) as load:
        example.set_branch("staging", "v3")
        site.playbook("deploy.yml")
        assert release_of(site) == 2
        site.playbook("rollback.yml")
        assert release_of(site) == 1
    assert load.failures == 0, str(load)


def test_one_that_crashes_leaves_the_old_one_serving(site: Host, example: Example) -> None:
    example.set_branch("staging", "v4")
    run = site.playbook("deploy.yml", check=False)
    assert run.returncode != 0
    assert "The understudy forgot the lines" in one_line(run)
    assert release_of(site) == 1


def test_it_comes_up_after_a_boot(site: Host) -> None:
    site.reboot()
    assert site.state == "running"
    assert release_of(site) == 1
    assert "healthy" in site.playbook("status.yml").output


def test_a_snapshot_and_the_way_back(site: Host) -> None:
    site.playbook("backup.yml")
    name = site.shell("ls /srv/playbill/backups | sort | tail -1").strip()
    site.playbook("restore.yml", "-e", f"snapshot={name}")
    assert release_of(site) == 1


def test_apache_runs_it(site: Host, example: Example) -> None:
    """By the mod_wsgi that the system has for its Python."""
    example.follow(site)  # after a boot it may have another address
    own = {**settings("localhost", site.address), "app_database": "postgresql"}
    site.inventory(site.last_inventory, **own, app_web_server="apache")
    site.playbook("site.yml")
    with Load(site, connections=4) as load:
        example.set_branch("staging", "v3")
        site.playbook("deploy.yml")
        assert "release-" in site.shell("ps -u playbill -o comm=")
        site.playbook("rollback.yml")
        assert release_of(site) == 1
    assert load.failures == 0, str(load)
