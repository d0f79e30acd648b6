"""A part of what `make faults` tries, through the same functions. docs/reliability.md has all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from faults import Fault, Site, sites, try_one, wanted


@pytest.fixture(scope="module")
def site(
    provisioned_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[bool], Site]]:
    """Return what gives the site, or the one on a small disk."""
    name = provisioned_image.replace("/snapshot:provisioned", "").replace("greenroom", "faults")
    with sites(provisioned_image, tmp_path_factory.mktemp("faults"), name) as made:
        yield made


@pytest.mark.parametrize("fault", wanted(quick=True), ids=lambda f: f"{f.name}, {f.step}")
def test_a_fault(site: Callable[[bool], Site], fault: Fault) -> None:
    row = try_one(site(fault.small_disk), fault)
    assert row.problem == ""
    assert row.failures == []
    assert row.lost == []
    assert row.requests > 10
