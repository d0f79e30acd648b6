from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.action import smoke_test
from ansible_collections.greenroom.django.plugins.module_utils import _pages
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer

ARGUMENTS = {
    "app": "blog",
    "pages": [{"path": "/"}, {"path": "/b"}, {"path": "/c"}],
    "address": "192.0.2.1",
    "port": "8080",
    "host": "www.example.com",
}


class Action(smoke_test.ActionModule):
    """The action, as Ansible would have made it, on a host that is closed or not."""

    def __init__(self, check: bool = False, closed: bool = False, **different: Any) -> None:
        arguments = {**ARGUMENTS, **different}
        self._task: Any = SimpleNamespace(args=arguments, check_mode=check)
        self.closed = closed

    def _execute_module(self, **asked: Any) -> dict[str, Any]:
        assert asked["module_args"] == {"path": "/srv/blog/maintenance"}
        return {"stat": {"exists": self.closed}}


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str, str]]:
    """What was asked for; two of the pages are not as they should be."""
    monkeypatch.setattr(ActionBase, "run", lambda *_: None)
    found: list[tuple[str, int, str, str]] = []

    def visitor(address: str, port: int, host: str) -> Callable[[dict[str, str]], Answer]:
        def ask(page: dict[str, str]) -> Answer:
            found.append((address, port, page["path"], host))
            return Answer(200, body=b"" if page["path"] == "/" else b"bad")

        return ask

    def judge(_: Any, answer: Answer) -> str:
        return f"is {answer.text}" if answer.text else ""

    monkeypatch.setattr(_pages, "PAUSE", 0)
    monkeypatch.setattr(_pages, "TRIES", 1)
    monkeypatch.setattr(_pages, "judge", judge)
    monkeypatch.setattr(smoke_test, "visitor", visitor)
    return found


def test_all_that_is_wrong_is_said_at_once(asked: list[tuple[str, int, str, str]]) -> None:
    assert Action().run() == {
        "failed": True,
        "msg": "Of 3 pages, these are not as they should be:\n- /b is bad.\n- /c is bad.",
    }
    assert asked == [("192.0.2.1", 8080, path, "www.example.com") for path in ("/", "/b", "/c")]


def test_an_address_of_ipv6(asked: list[tuple[str, int, str, str]]) -> None:
    assert Action(address="2001:db8::1", pages=[{"path": "/"}]).run() == {"changed": False}
    assert asked == [("2001:db8::1", 8080, "/", "www.example.com")]


def test_a_rehearsal_asks_for_nothing(asked: list[tuple[str, int, str, str]]) -> None:
    assert Action(check=True).run() == {"changed": False}
    assert asked == []


def test_a_site_that_is_closed() -> None:
    assert Action(closed=True).run() == {
        "changed": False,
        "warnings": ["No page was tried: the site is in maintenance."],
    }
