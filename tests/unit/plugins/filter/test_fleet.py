from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.filter.fleet import (
    FilterModule,
    balancers,
    batches,
    current_release,
    haproxy_states,
)

HOSTS = ["a", "b", "c", "d", "e"]


def test_the_names() -> None:
    assert FilterModule().filters() == {
        "balancers": balancers,
        "batches": batches,
        "current_release": current_release,
        "haproxy_states": haproxy_states,
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
    assert haproxy_states(SAID) == {"www1": "up", "www2": "out", "www3": "down", "www4": "up"}
    assert haproxy_states("") == haproxy_states("Can't find backend.\n") == {}


def test_balancers_of_one_inventory_are_all() -> None:
    assert balancers({"live": ["www"], "balancer": ["lb"]}, {"lb": {}}) == ["lb"]
    assert balancers({"live": ["www"]}, {}) == []


def test_balancers_of_two_inventories_are_those_of_its_own() -> None:
    groups = {"staging": ["a"], "live": ["b"], "balancer": ["x", "y"]}
    variables = {"x": {"inventory_file": "/i/staging"}, "y": {"inventory_file": "/i/live"}}
    assert balancers(groups, variables, "/i/live") == ["y"]


def test_the_current_release_is_picked_out_of_all() -> None:
    releases = [{"number": 8, "revision": "b"}, {"number": 7, "revision": "a"}]
    assert current_release({"serving": 7, "releases": releases})["revision"] == "a"
    assert current_release({"serving": 0, "releases": releases}) == current_release({}) == {}
