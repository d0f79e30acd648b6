from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS, service_of
from ansible_collections.greenroom.django.plugins.module_utils._service.systemd import (
    Systemd,
    numbers_of,
    state_in_words,
)


def test_it_is_in_the_registry() -> None:
    assert MANAGERS["systemd"] is Systemd
    assert isinstance(service_of(App("blog"), "systemd"), Systemd)
    assert Systemd(App("blog")).unit(42) == "blog@42.service"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("ActiveState=active\nResult=success\n", "active"),
        ("Result=success\nActiveState=inactive\n", "inactive"),
        ("ActiveState=failed\nResult=exit-code\n", "failed (exit-code)"),
        ("ActiveState=activating\nResult=oom-kill\n", "activating (oom-kill)"),
        ("ActiveState=active\n\nResult=success\n", "active"),
        ("", "unknown"),
    ],
)
def test_a_state_in_words(shown: str, words: str) -> None:
    assert state_in_words(shown) == words


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        ("", []),
        (
            "blog@41.service loaded active     running      blog, release 41\n"
            "blog@107.service loaded deactivating stop-sigterm blog, release 107\n"
            "blog@9.service  loaded activating start        blog, release 9\n",
            [9, 41, 107],
        ),
        ("blog@.service\nblog@x.service\nmy-blog@3.service\nblog.service\nblog@4.socket\n", []),
        ("nginx.service\nblog@42.service", [42]),
        ("blogX42.service", []),
    ],
)
def test_the_releases_in_a_list_of_units(names: str, numbers: list[int]) -> None:
    assert numbers_of("blog", names) == numbers
