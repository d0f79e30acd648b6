"""Two apps on one host live side by side, and neither touches anything of the other's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest
from example import ON_HOST, Example
from host import Host

pytestmark = [pytest.mark.extended, pytest.mark.story]

FIRST, SECOND = "playbill", "matinee"


def settings(app: str, *domains: str) -> dict[str, Any]:
    """What the host's inventory says of an app."""
    env = {"SECRET_KEY": f"the-secret-of-{app}-and-nobody-else", "ALLOWED_HOSTS": ",".join(domains)}
    return {
        "app_name": app,
        "app_repository": ON_HOST,
        "app_domains": list(domains),
        "app_health_path": "/health/",
        "app_env": env,
    }


def of(host: Host, app: str) -> dict[str, str]:
    """All that belongs to an app: files, green room, users, units and their processes."""
    units = f"--property=Id,ActiveState,MainPID,ActiveEnterTimestampMonotonic '{app}@*'"
    files = host.listing(
        f"/srv/{app}",
        f"/etc/{app}",
        f"/run/{app}",
        f"/etc/tmpfiles.d/{app}.conf",
        f"/etc/systemd/system/{app}@.service",
        f"/etc/nginx/sites-available/{app}.conf",
        f"/etc/nginx/sites-enabled/{app}.conf",
    )
    return {
        **files,
        "units": host.shell(f"systemctl show {units}"),
        "enabled": host.shell(f"ls /etc/systemd/system/multi-user.target.wants | grep ^{app}@"),
        "accounts": host.shell(f"getent passwd {app} {app}-build; getent group {app} {app}-build"),
    }


@contextmanager
def visitors(host: Host, domain: str) -> Iterator[list[str]]:
    """Two visitors who ask for the page without a pause; the list of what failed fills up.

    Each question has a connection of its own. A reload of nginx closes those that are open and
    idle, which browsers know and ask again, and load generators count.
    """
    failures: list[str] = []
    gone = Event()

    def visit() -> int:
        asked = 0
        while not gone.is_set():
            asked += 1
            try:
                answer = host.get("/", domain, Connection="close")
                if answer.status != 200:
                    failures.append(f"status {answer.status}")
            except OSError as error:
                failures.append(repr(error))
        return asked

    with ThreadPoolExecutor() as pool:
        visits = [pool.submit(visit) for _ in range(2)]
        try:
            yield failures
        finally:
            gone.set()
    assert sum(visit.result() for visit in visits) > 200


def page(host: Host, domain: str) -> str:
    """The front page of a site."""
    answer = host.get("/", domain)
    assert answer.status == 200
    return answer.text


@pytest.fixture(scope="module")
def first(host: Host, playbill: Example) -> Host:
    """A host on which the first app serves its version 1."""
    use(host, FIRST)
    playbill.set_branch("staging", "v1")
    host.playbook("deploy.yml")
    return host


def use(host: Host, app: str) -> None:
    """Have the host's playbooks be about this app from now on."""
    domains = {FIRST: ["localhost", host.address], SECOND: ["matinee.test"]}[app]
    host.inventory(host._inventories[0], **settings(app, *domains))


def test_the_second_comes_while_the_first_is_under_load(first: Host, playbill: Example) -> None:
    before = of(first, FIRST)
    assert "ActiveState=active" in before["units"]
    nginx = first.shell("systemctl show --property=MainPID nginx")
    use(first, SECOND)
    playbill.set_branch("staging", "v2")
    with visitors(first, "localhost") as failures:
        first.playbook("site.yml")
        first.playbook("deploy.yml")
        playbill.set_branch("staging", "v3")
        first.playbook("deploy.yml")
    assert failures == []
    after = of(first, FIRST)
    assert {path for path in {*before, *after} if before.get(path) != after.get(path)} == set()
    assert first.shell("systemctl show --property=MainPID nginx") == nginx


def test_each_name_gets_its_own_site(first: Host) -> None:
    assert 'name="playbill-version" content="v1"' in page(first, "localhost")
    assert 'name="playbill-version" content="v3"' in page(first, "matinee.test")
    for app, number in ((FIRST, 1), (SECOND, 2)):
        socket = first.shell(f"readlink -f /run/{app}/current.sock").strip()
        assert socket == f"/run/{app}/{number}.sock"


def test_each_has_its_own_secrets_data_and_users(first: Host) -> None:
    for app, other in ((FIRST, SECOND), (SECOND, FIRST)):
        assert f"the-secret-of-{app}" in first.run(["cat", f"/etc/{app}/env"], user=app).stdout
        for path in (f"/srv/{other}", f"/etc/{other}", f"/run/{other}"):
            for user in (app, f"{app}-build"):
                assert first.run(["ls", path], user=user, check=False).returncode != 0
    users = {app: first.shell(f"id -u {app}").strip() for app in (FIRST, SECOND)}
    assert len(set(users.values())) == 2
    for app, uid in users.items():
        assert f" {uid} " in first.shell(f"stat -c '%n %u %a' /srv/{app}/shared/db.sqlite3")


def test_a_deploy_of_the_first_leaves_the_second_alone(first: Host, playbill: Example) -> None:
    before = of(first, SECOND)
    use(first, FIRST)
    playbill.set_branch("staging", "v2")
    with visitors(first, "matinee.test") as failures:
        first.playbook("deploy.yml")
        first.playbook("rollback.yml")
    assert failures == []
    after = of(first, SECOND)
    assert {path for path in {*before, *after} if before.get(path) != after.get(path)} == set()
    assert 'name="playbill-version" content="v1"' in page(first, "localhost")


def test_status_tells_of_one_app(first: Host) -> None:
    use(first, SECOND)
    assert (
        f"{SECOND} on {first.container}: release 2 serves, healthy"
        in first.playbook("status.yml").stdout
    )


def test_both_come_back_after_a_reboot(first: Host) -> None:
    first.reboot()
    assert 'name="playbill-version" content="v1"' in page(first, "localhost")
    assert 'name="playbill-version" content="v3"' in page(first, "matinee.test")
