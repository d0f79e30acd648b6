"""Each backend in short: prepared, deployed to, under load, crashed, rolled back, booted again.

The default ones are in test_life.py. What is a backend's own, such as the way to it and back, is in
a module of its own. The tests here are one story for each backend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from example import Example, settings
from host import Host, default_image
from upstart_host import UpstartHost, upstart_image

from tests.end_to_end.mercurial import ON_HOST, HgExample
from tests.end_to_end.releases import (
    check_crash_at_import,
    check_life_under_load,
    deploy,
    serving,
    wait_until_alone,
    wait_until_alone_in_apache,
    wait_until_up,
)

pytestmark = pytest.mark.story


@dataclass(frozen=True)
class Backend:
    """What is not as by default, and how it can be told."""

    name: str
    #: what the inventory says of it
    settings: dict[str, Any]
    #: a command on the host, and a part of what it prints where the backend is at work
    shows: tuple[str, str]
    system: str = ""
    alone: Callable[[Host, int], None] = field(default=wait_until_alone)


BACKENDS = [
    Backend(
        "mercurial",
        {"app_source_control": "hg", "app_repository": ON_HOST},
        ("ls /srv/playbill/build/repository.hg/.hg", "requires"),
    ),
    Backend(
        "supervisor",
        {"app_service_manager": "supervisor"},
        ("supervisorctl status || true", "playbill@1"),  # not 0 while it has just been started
    ),
    Backend("upstart", {"app_service_manager": "upstart"}, ("initctl list", "playbill (")),
    Backend(
        "apache_proxy",
        {"app_web_server": "apache_proxy"},
        ("ps -C apache2,gunicorn -o comm=", "gunicorn"),
    ),
    Backend(
        "mod_wsgi",
        {"app_web_server": "apache"},
        ("ps -u playbill -o comm=", "release-"),
        alone=wait_until_alone_in_apache,
    ),
    Backend(
        "debian-13",
        {"app_database": "postgresql"},
        (". /etc/os-release && echo $ID-$VERSION_ID", "debian-13"),
        system="debian-13",
    ),
]


@dataclass
class Site:
    """A host that was prepared for a backend, and the repository that it deploys from."""

    backend: Backend
    host: Host
    example: Example | HgExample


@pytest.fixture(scope="module", params=BACKENDS, ids=lambda backend: backend.name)
def site(
    request: pytest.FixtureRequest,
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    """A host that site.yml has prepared for the backend, with version v1 waiting."""
    backend: Backend = request.param
    folder: Path = tmp_path_factory.mktemp(backend.name)
    if backend.name == "upstart":
        host = start_host(kind=UpstartHost, image=upstart_image(provisioned_image))
    else:
        host = start_host(
            image=default_image(backend.system) if backend.system else provisioned_image
        )
    own = {**settings("localhost", host.address), **backend.settings}
    host.inventory(folder / "staging", **own)
    host.playbook("site.yml")
    git = Example.make(folder / "playbill")
    if backend.name != "mercurial":
        git.publish(host)
        return Site(backend, host, git)
    hg = HgExample(host, git, folder)
    hg.make(host)
    return Site(backend, host, hg)


def test_the_first_deploy(site: Site) -> None:
    deploy(site.host, site.example, "v1")
    assert serving(site.host) == 1
    command, shows = site.backend.shows
    assert shows in site.host.shell(command)


def test_deploys_and_a_rollback_under_load(site: Site) -> None:
    check_life_under_load(site.host, site.example, site.backend.alone)


def test_a_crash_at_import_never_serves(site: Site) -> None:
    check_crash_at_import(site.host, site.example, site.backend.alone)


def test_the_current_release_alone_comes_up_after_a_reboot(site: Site) -> None:
    now = serving(site.host)
    site.host.reboot()
    wait_until_up(site.host)
    assert serving(site.host) == now
    site.backend.alone(site.host, now)
