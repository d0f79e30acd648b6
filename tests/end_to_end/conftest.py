"""Hosts for the end-to-end tests: bare ones, and copies of one that site.yml has provisioned.

Every fixture that gives a host gives one to a module. Where a test of a module builds on those
before it, the module is marked as a story: one worker runs it in its order, and whoever asks for
one of its tests gets those before it too. A module that is marked as extended is left to
`make test-all`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from example import Example, provision, settings
from fleet import Fleet
from host import CHECKOUT, Host, command, default_image, key
from project import Project

HERE = Path(__file__).parent
#: tells the hosts of this checkout from those of another one that is tested on the same engine
OURS = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:4]
#: what each running host is called in a report, to show its journal when a test fails
running: dict[str, Host] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of every running host's journal below a failure."""
    report = yield
    if report.failed and HERE in item.path.parents:
        for name, host in running.items():
            report.sections.append((f"journal of {name}", host.journal()))
    return report


@contextmanager
def one_at_a_time(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep the other workers of `pytest -n` waiting; yields a folder that all of them share."""
    mine = factory.getbasetemp()
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield shared


@pytest.fixture(scope="session")
def bare_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the image of a bare host; made once, and with it the key that opens all hosts."""
    with one_at_a_time(tmp_path_factory):
        key()
        return default_image()


@pytest.fixture(scope="module")
def start_host(request: pytest.FixtureRequest, bare_image: str) -> Iterator[Callable[..., Host]]:
    """Return a function that starts a host, as Host.start does; they go when the module ends.

    Without a name, hosts are called after the module: checkout-a1b2-1, checkout-a1b2-2 …; and the
    worker, since several may run tests of one module: checkout-a1b2-gw0-1.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    word = Path(request.node.name).stem.removeprefix("test_").replace("_", "-")
    prefix = "-".join(part for part in (word, OURS, worker) if part)
    mine: list[Host] = []

    def start(name: str | None = None, kind: type[Host] = Host, **options: object) -> Host:
        options = {"image": bare_image, **options}
        host = kind.start(name or f"{prefix}-{len(mine) + 1}", **options)  # type: ignore[arg-type]
        mine.append(host)
        running[host.name] = host
        return host

    yield start
    for host in mine:
        running.pop(host.name, None)
        host.destroy()


@pytest.fixture(scope="module")
def bare_host(start_host: Callable[..., Host]) -> Host:
    """Return a host on which nothing has been done."""
    return start_host()


@pytest.fixture(scope="module")
def attacker(start_host: Callable[..., Host]) -> Host:
    """A machine with an address of its own."""
    return start_host()


@pytest.fixture(scope="session")
def provisioned_image(bare_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an image of a host after site.yml, with the example's repository on it; made once."""
    image = f"greenroom/snapshot:provisioned-{OURS}"
    with one_at_a_time(tmp_path_factory) as shared:
        # For daily work: provisioning costs half a minute, and the host of the last run may do.
        there = not command("docker", "image", "inspect", image, check=False).returncode
        if (shared / "provisioned").exists() or (there and os.environ.get("GREENROOM_REUSE")):
            return image
        with Host.start(f"provisioned-{OURS}", bare_image) as host:
            running[host.name] = host
            try:
                provision(host, tmp_path_factory.mktemp("provisioned"))
                host.commit(image)
            finally:
                running.pop(host.name)
        (shared / "provisioned").touch()
    return image


@pytest.fixture(scope="module")
def host(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Host:
    """Return a provisioned host on which nothing is deployed, with an inventory of its own."""
    host = start_host(image=provisioned_image)
    host.inventory(
        tmp_path_factory.mktemp("inventory") / "staging", **settings("localhost", host.address)
    )
    return host


@pytest.fixture(scope="module")
def playbill(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """Return the example's working copy, which pushes to `host`."""
    example = Example.make(tmp_path_factory.mktemp("playbill"))
    example.publish(host)
    return example


@pytest.fixture(scope="module")
def project(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return the small project that takes any shape, on `host`; nothing of it is deployed."""
    return Project.make(host, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def fleet(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Fleet:
    """Return three hosts, a balancer and a database, prepared by site.yml."""
    made = Fleet.make(start_host, provisioned_image, tmp_path_factory.mktemp("fleet"))
    made.run("site.yml")
    return made


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Return the folder of this checkout."""
    return CHECKOUT
