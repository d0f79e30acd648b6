"""A part of what `make faults` tries, through the same functions. docs/reliability.md has all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults import Fault, Stages, wanted


@pytest.fixture(scope="module")
def stages(provisioned_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Return the hosts that faults happen to."""
    name = provisioned_image.replace("greenroom/snapshot:provisioned", "faults")
    with Stages(provisioned_image, tmp_path_factory.mktemp("faults"), name) as made:
        yield made


@pytest.mark.parametrize("fault", wanted(quick=True), ids=lambda f: f"{f.name}, {f.step}")
def test_a_fault(stages: Stages, fault: Fault) -> None:
    row = stages.try_one(fault)
    assert row.problem == ""
    assert row.failures == []
    assert row.lost == []
    assert row.requests > 10
