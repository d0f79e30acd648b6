# PRIVATE to the collection: whether the inventory has the hosts that the settings need.
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ansible_collections.greenroom.django.plugins.module_utils._addresses import address_problems


def problems_of_balancer(
    hosts: Sequence[str], balancers: Sequence[str], addresses: Mapping[str, str]
) -> list[str]:
    """What is wrong with the balancer in front of an app's hosts, a sentence each.

    ``hosts`` are those of the environment, ``balancers`` those in front of them, and ``addresses``
    the address of each.
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
    ] + address_problems([*hosts, *balancers], addresses, "a balancer", "balancer_address")


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
