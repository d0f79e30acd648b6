"""A part of what `make faults` tries, through the same functions. docs/reliability.md has all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault.hosts import FaultHosts
from fault.model import Fault
from fault.selection import quick

QUICK = quick()


@pytest.fixture(scope="module")
def fault_hosts(
    provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultHosts]:
    """Return the hosts that faults happen to."""
    name = provisioned_image.replace("greenroom/snapshot:provisioned", "faults")
    with FaultHosts(provisioned_image, tmp_path_factory.mktemp("faults"), name) as made:
        yield made


@pytest.mark.parametrize(
    ("fault", "database"),
    [pytest.param(*each, id=f"{each[0].name} {each[0].step}, {each[1]}") for each in QUICK],
)
def test_a_fault(fault_hosts: FaultHosts, fault: Fault, database: str) -> None:
    row = fault_hosts.try_one(fault, database)
    assert row.problem == ""
    assert row.failures == []
    assert row.lost == []
    assert row.requests > 10
