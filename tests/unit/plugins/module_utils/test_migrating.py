"""A host that moves from one service manager to another: nothing runs twice."""

from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _service
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._service import (
    retire_previous,
    service_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._service.migrating import Migrating
from ansible_collections.greenroom.django.plugins.module_utils._service.supervisor import Supervisor
from ansible_collections.greenroom.django.plugins.module_utils._service.systemd import Systemd


class Manager:
    """Stands in for a service manager. What leaves is gone when it was asked for some times."""

    def __init__(self, *up: int) -> None:
        self.up, self.leaving, self.at_boot = set(up), set[int](), set(up)
        self.slow = 3
        self.prepared, self.restarts = True, 0

    def is_available(self) -> bool:
        return True

    def is_prepared(self) -> bool:
        return self.prepared

    def conflicting_files(self) -> list[str]:
        return []

    def green_room(self, number: int) -> str:
        return f"/run/blog/{number}.sock"

    def start(self, number: int) -> None:
        self.up.add(number)

    def stop(self, number: int) -> None:
        if number in self.up:
            self.up.remove(number)
            self.leaving.add(number)

    def restart(self) -> None:
        self.restarts += 1

    def enable(self, number: int) -> None:
        self.at_boot.add(number)

    def disable(self, number: int) -> None:
        self.at_boot.discard(number)

    def state(self, number: int) -> str:
        return f"{number} of {len(self.up)} up"

    def is_active(self, number: int) -> bool:
        return number in self.up

    def running(self) -> list[int]:
        if self.leaving:
            self.slow -= 1
            if self.slow < 0:
                self.leaving.clear()
        return sorted(self.up | self.leaving)

    def enabled(self) -> list[int]:
        return sorted(self.at_boot)

    def log(self, number: int) -> str:
        return f"{number} of {len(self.up)}"

    def log_since(self, number: int, since: float) -> str:
        return f"{number} of {len(self.up)} since {since}"

    def uninstall(self) -> None:
        assert not self.up | self.leaving
        self.prepared = False


@pytest.fixture(autouse=True)
def _no_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def before() -> Manager:
    return Manager(41)


@pytest.fixture
def chosen() -> Manager:
    return Manager()


@pytest.fixture
def service(chosen: Manager, before: Manager) -> Migrating:
    return Migrating(chosen, [before])  # type: ignore[list-item]


def test_what_the_one_before_runs_is_not_started_again(
    service: Migrating, before: Manager, chosen: Manager
) -> None:
    service.start(41)
    service.enable(41)
    assert (chosen.up, chosen.at_boot, before.at_boot) == (set(), set(), {41})
    assert not service.is_active(41), "it has still to move"
    said = (service.state(41), service.log(41), service.log_since(41, 0))
    assert said == ("41 of 1 up", "41 of 1", "41 of 1 since 0")


def test_what_leaves_there_ends_before_it_starts_here(
    service: Migrating, before: Manager, chosen: Manager
) -> None:
    before.stop(41)
    service.start(41)
    assert (chosen.up, before.leaving) == ({41}, set())
    assert service.is_active(41)


def test_both_are_asked_and_told(service: Migrating, before: Manager, chosen: Manager) -> None:
    service.start(42)
    service.enable(42)
    assert (service.running(), service.enabled()) == ([41, 42], [41, 42])
    service.disable(41)
    service.stop(41)
    service.restart()
    assert (before.at_boot, before.leaving) == (set(), {41})
    assert (chosen.at_boot, chosen.up) == ({42}, {42})
    assert (chosen.restarts, before.restarts) == (1, 1)


def test_the_one_before_is_forgotten_when_all_has_ended(
    app: App, before: Manager, chosen: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Before:
        is_available = staticmethod(lambda: True)

        def __new__(cls, _app: App) -> Manager:  # type: ignore[misc]
            return before

    monkeypatch.setattr(_service, "MANAGERS", {"new": lambda _: chosen, "old": Before})
    assert isinstance(service_of(app, "new"), Migrating)
    before.stop(41)
    retire_previous(app, "new", 41)
    assert before.prepared, "what serves there is not waited for"
    retire_previous(app, "new", 42)
    assert not before.prepared
    assert service_of(app, "new") is chosen


@pytest.mark.parametrize(("name", "kind"), [("systemd", Systemd), ("supervisor", Supervisor)])
def test_most_hosts_never_move(app: App, name: str, kind: type) -> None:
    assert isinstance(service_of(app, name), kind)
