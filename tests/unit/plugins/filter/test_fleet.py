from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.filter.fleet import (
    FilterModule,
    balanced,
    batches,
)

HOSTS = ["a", "b", "c", "d", "e"]


def test_the_names() -> None:
    assert FilterModule().filters() == {
        "balanced": balanced,
        "batches": batches,
    }


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (1, ["a", "b", "c", "d", "e"]),
        ("2", ["ab", "cd", "e"]),
        ("40%", ["ab", "cd", "e"]),
        ("59%", ["ab", "cd", "e"]),
        ("1%", ["a", "b", "c", "d", "e"]),
        ("100%", ["abcde"]),
        (16, ["abcde"]),
    ],
)
def test_batches(size: int | str, wanted: list[str]) -> None:
    assert ["".join(batch) for batch in batches(HOSTS, size)] == wanted
    assert batches([], size) == []


SAID = """\
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight
3 blog 1 www1 192.0.2.1 2 0 1 1 5 6 3 4 6 0 0 0 - 80 - 0 0 - - 0
3 blog 2 www2 192.0.2.2 0 1 1 1 5 6 0 4 6 0 0 0 - 80 - 0 0 - - 0
3 blog 3 www3 192.0.2.3 0 0 1 1 5 6 0 4 6 0 0 0 - 80 - 0 0 - - 0
3 blog 4 www4 192.0.2.4 2 8 1 1 5 6 0 4 6 0 0 0 - 80 - 0 0 - - 0

"""


def test_who_is_served_to() -> None:
    assert balanced(SAID) == {"www1": "up", "www2": "out", "www3": "down", "www4": "up"}
    assert balanced("") == balanced("Can't find backend.\n") == {}
