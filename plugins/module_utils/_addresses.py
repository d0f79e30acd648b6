# PRIVATE to the collection: whether hosts of an inventory find each other in the network.
from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence


def address_problems(
    hosts: Sequence[str], addresses: Mapping[str, str], service: str, setting: str
) -> list[str]:
    """The hosts that have no IP address, a sentence each.

    ``service`` is what needs one, and ``setting`` the variable of a host that can have it.
    """
    return [
        f"The address of {host} is {addresses[host]!r}; with {service} it "
        f"should be an IP address: set {setting} of {host} in the inventory."
        for host in dict.fromkeys(hosts)
        if not _is_address(addresses[host])
    ]


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # of one network card, and so of one host
