"""PostgreSQL on a host of its own, for one host of the app and then for two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from example import Example, settings
from host import Host, ansible_playbook, write_inventory

from tests.end_to_end.postgresql import KEPT, announce, changes, enters, listening, sql, url

pytestmark = [pytest.mark.extended, pytest.mark.story]


@pytest.fixture(scope="module")
def home(host: Host) -> Host:
    """A host that can ask a database, and is none of the app's at first."""
    host.shell("apt-get -qq install --yes --no-install-recommends postgresql-client >/dev/null")
    return host


@pytest.fixture(scope="module")
def web(start_host: Callable[..., Host], provisioned_image: str) -> Host:
    """A second host of the app's."""
    return start_host(image=provisioned_image)


@pytest.fixture(scope="module")
def database(start_host: Callable[..., Host]) -> Host:
    """A bare host, for the database alone."""
    return start_host()


@pytest.fixture(scope="module")
def inventory(web: Host, database: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory of both."""
    path = tmp_path_factory.mktemp("elsewhere") / "staging"
    own = settings("localhost", web.address)
    return write_inventory(path, {web: {**own, "app_database": "postgresql"}}, database=database)


def test_two_hosts_need_one_database(home: Host, web: Host, tmp_path: Path) -> None:
    own = {**settings("localhost"), "app_database": "postgresql"}
    path = write_inventory(tmp_path / "staging", {home: own, web: own})
    before = web.checksum("/etc", "/srv")
    run = ansible_playbook(path, "site.yml", check=False)
    assert run.returncode != 0
    assert f"{home.container}, {web.container} need one database" in run.output
    assert "in a group database" in run.output
    assert sum(changes(run).values()) == 0
    assert web.checksum("/etc", "/srv") == before


def test_a_dry_run_on_a_bare_host(inventory: Path, database: Host) -> None:
    before = database.checksum("/etc", "/var/lib")
    assert ansible_playbook(inventory, "site.yml", "--check", "--diff").returncode == 0
    assert database.checksum("/etc", "/var/lib") == before


def test_the_app_finds_it_there(
    inventory: Path, web: Host, database: Host, playbill: Example
) -> None:
    run = ansible_playbook(inventory, "site.yml", "-vvv", "--diff")
    password = database.run(["cat", KEPT]).stdout
    assert password not in run.output
    assert url(web) == f"postgres://playbill:{password}@{database.address}:5432/playbill"
    assert web.run(["test", "-e", "/etc/postgresql"], check=False).returncode != 0
    assert database.run(["test", "-e", "/etc/playbill"], check=False).returncode != 0
    playbill.publish(web)
    playbill.set_branch("staging", "v2")
    ansible_playbook(inventory, "deploy.yml")
    announce(web, "From afar")
    assert "From afar" in web.get("/").text
    assert sql(database, "SELECT title FROM shows_show") == "From afar"


def test_nothing_more_is_to_do(inventory: Path, web: Host) -> None:
    assert changes(ansible_playbook(inventory, "site.yml")) == {web.container: 0}
    assert changes(ansible_playbook(inventory, "site.yml", "--check")) == {web.container: 0}


def test_who_gets_in_from_where(home: Host, inventory: Path, web: Host, database: Host) -> None:
    assert inventory.exists()
    assert listening(database) - {"::1"} == {"127.0.0.1", database.address}
    good = url(web)
    # The first host has the right password, and is none of the app's.
    assert "no pg_hba.conf entry for host" in enters(home, good)[1]
    # The app's host gets in with TLS alone.
    web.shell("apt-get -qq install --yes --no-install-recommends postgresql-client >/dev/null")
    assert enters(web, good)[0]
    assert "no encryption" in enters(web, good, PGSSLMODE="disable")[1]
    assert "no pg_hba.conf entry" in enters(web, good.replace("/playbill", "/postgres"))[1]


def test_a_second_host_of_the_app_joins_and_leaves(
    home: Host, inventory: Path, web: Host, database: Host, tmp_path: Path
) -> None:
    """It finds the same database; and is let in no longer than it belongs to the app."""
    own = {**settings("localhost", web.address), "app_database": "postgresql"}
    both = write_inventory(tmp_path / "staging", {web: own, home: own}, database=database)
    # Working on one host alone, it does not forget the other.
    ansible_playbook(both, "site.yml", "--limit", home.container)
    assert url(home) == url(web)
    for host in (home, web):
        assert enters(host, url(host))[0]
    assert changes(ansible_playbook(both, "site.yml")) == {home.container: 0, web.container: 0}
    ansible_playbook(inventory, "site.yml")
    assert enters(web, url(web))[0]
    assert "no pg_hba.conf entry for host" in enters(home, url(home))[1]
