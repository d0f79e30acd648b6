from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._database.postgresql import (
    Postgresql,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.inventory import (
    problems_of_balancer,
    problems_of_push,
)

problems_of_database = Postgresql.inventory_problems

ONE, TWO, DATABASE = "192.0.2.1", "2001:db8::2", "192.0.2.9"
ADDRESSES = {"web1": ONE, "web2": TWO, "db1": DATABASE, "db2": DATABASE}


@pytest.mark.parametrize(
    ("hosts", "database"),
    [
        pytest.param(["web1"], [], id="on the app's own host"),
        pytest.param(["web1"], ["web1"], id="the same, in words"),
        pytest.param(["web1", "web2"], ["db1"], id="on a host of its own"),
        pytest.param(["web1", "web2"], ["web1"], id="on one of the app's hosts"),
    ],
)
def test_where_a_database_can_be(hosts: list[str], database: list[str]) -> None:
    assert problems_of_database("blog", hosts, database, ADDRESSES) == []


def test_a_host_that_reaches_its_database_at_home_needs_no_address() -> None:
    assert problems_of_database("blog", ["web1"], ["web1"], {"web1": "www.example.com"}) == []


@pytest.mark.parametrize(
    ("hosts", "database", "said"),
    [
        (
            ["web1", "web2"],
            [],
            "app_database is 'postgresql', and web1, web2 need one database: name its host in the "
            "inventory, in a group database. It may be one of them.",
        ),
        (
            ["web1"],
            ["db1", "db2"],
            "The group database has db1, db2; it should be the one host that PostgreSQL runs on.",
        ),
    ],
)
def test_where_a_database_cannot_be(hosts: list[str], database: list[str], said: str) -> None:
    assert problems_of_database("blog", hosts, database, ADDRESSES) == [said]


@pytest.mark.parametrize("address", ["web1.example.com", "192.0.2.0/24", "fe80::1%eth0", "", "*"])
def test_a_host_whose_address_is_not_known(address: str) -> None:
    addresses = {**ADDRESSES, "web1": address}
    assert problems_of_database("blog", ["web1", "web2"], ["db1"], addresses) == [
        f"The address of web1 is {address!r}; with a database on a host of its own it should be an "
        "IP address: set database_address of web1 in the inventory."
    ]
    assert len(problems_of_database("blog", ["web1"], ["db1"], dict.fromkeys(ADDRESSES, "x"))) == 2


@pytest.mark.parametrize("name", ["postgres", "postgresql", "template1", "public"])
def test_a_name_that_postgresql_has_for_itself(name: str) -> None:
    (said,) = problems_of_database(name, ["web1"], [], ADDRESSES)
    assert said.startswith(f"app_name is {name!r}, which PostgreSQL has for itself; choose another")


def test_a_balancer_needs_addresses_and_a_host_of_its_own() -> None:
    addresses = {"web1": "192.0.2.1", "web2": "192.0.2.2", "www": "192.0.2.9"}
    assert problems_of_balancer(["web1", "web2"], [], {}) == []
    assert problems_of_balancer(["web1", "web2"], ["www"], addresses) == []
    assert problems_of_balancer(["web1"], ["www"], {**addresses, "www": "www.example.com"}) == [
        "The address of www is 'www.example.com'; with a balancer it should be an IP address: set "
        "balancer_address of www in the inventory."
    ]
    assert problems_of_balancer(["web1", "web2"], ["web2"], addresses) == [
        "The group balancer has web2, of the hosts that it is to be in front of, and one port "
        "cannot be both; it should have hosts of its own."
    ]
    assert problems_of_balancer(["web 1"], ["www"], {**addresses, "web 1": "192.0.2.1"}) == [
        "The inventory has 'web 1', which HAProxy cannot call a host; a name should be of letters, "
        "digits, dots, hyphens and underscores."
    ]


def test_a_host_deploys_to_itself_alone() -> None:
    assert problems_of_push(["web1"], []) == []
    for hosts, balancers, said in (
        (["web1", "web2"], [], "web1, web2"),
        (["web1"], ["www"], "web1, www"),
    ):
        (problem,) = problems_of_push(hosts, balancers)
        assert problem.startswith(f"The inventory has {said}, and a host that is pushed to")
