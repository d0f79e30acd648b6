# PRIVATE to the collection: whether the inventory has the hosts that the settings need.
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import is_address

# What PostgreSQL, or its package, has for itself.
_OF_POSTGRESQL = ("postgres", "postgresql", "template0", "template1", "public", "none")


def problems_of_database(
    app_name: str, hosts: Sequence[str], database: Sequence[str], addresses: Mapping[str, str]
) -> list[str]:
    """What is wrong with where an app's PostgreSQL would be, a sentence each.

    ``hosts`` are those of the environment, ``database`` those of the group of that name, and
    ``addresses`` what is known of all of them.
    """
    if app_name in _OF_POSTGRESQL:
        return [
            f"app_name is {app_name!r}, which PostgreSQL has for itself; choose another name, or "
            "leave app_database at sqlite."
        ]
    if len(database) > 1:
        return [
            f"The group database has {', '.join(database)}; it should be the one host that "
            "PostgreSQL runs on."
        ]
    if not database:
        return (
            []
            if len(hosts) < 2
            else [
                f"app_database is 'postgresql', and {', '.join(hosts)} need one database: name its "
                "host in the inventory, in a group database. It may be one of them."
            ]
        )
    if set(hosts) <= set(database):
        return []  # it is reached on localhost
    return _problems_of_addresses(
        [*hosts, *database], addresses, "a database on a host of its own", "database_address"
    )


def problems_of_balancer(
    hosts: Sequence[str], balancers: Sequence[str], addresses: Mapping[str, str]
) -> list[str]:
    """What is wrong with the balancer in front of an app's hosts, a sentence each.

    The arguments are those of problems_of_database().
    """
    if not balancers:
        return []
    both = [host for host in balancers if host in hosts]
    if both:
        return [
            f"The group balancer has {', '.join(both)}, of the hosts that it is to be in front of, "
            "and one port cannot be both; it should have hosts of its own."
        ]
    return [
        f"The inventory has {host!r}, which HAProxy cannot call a host; a name should be of "
        "letters, digits, dots, hyphens and underscores."
        for host in hosts
        if not re.fullmatch(r"[A-Za-z0-9._-]+", host)
    ] + _problems_of_addresses([*hosts, *balancers], addresses, "a balancer", "balancer_address")


def problems_of_push(hosts: Sequence[str], balancers: Sequence[str]) -> list[str]:
    """What is wrong with where a push would be a deploy: a host can deploy to itself alone.

    The arguments are those of problems_of_balancer().
    """
    if len(hosts) == 1 and not balancers:
        return []
    return [
        f"The inventory has {', '.join([*hosts, *balancers])}, and a host that is pushed to "
        "deploys to itself alone; it should have one host. For several: deploy.yml, from your "
        "machine."
    ]


def _problems_of_addresses(
    hosts: Sequence[str], addresses: Mapping[str, str], where: str, setting: str
) -> list[str]:
    """Which hosts would not be found in the network between them."""
    return [
        f"The address of {host} is {addresses[host]!r}; with {where} it "
        f"should be an IP address: set {setting} of {host} in the inventory."
        for host in dict.fromkeys(hosts)
        if not is_address(addresses[host])
    ]
