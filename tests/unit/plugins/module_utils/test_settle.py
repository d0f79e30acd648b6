"""What a rollback or a restore that died left of the database is undone by the next run."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _backup, _settle
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    is_on,
    switch_on,
)
from ansible_collections.greenroom.django.plugins.module_utils._settle import settle


class Service:
    """Stands in for systemd, and remembers what ran."""

    def __init__(self, *up: int) -> None:
        self.up = set(up)
        self.failure = ""

    def running(self) -> list[int]:
        return sorted(self.up)

    def stop(self, number: int) -> None:
        self.up.discard(number)

    def start(self, number: int) -> None:
        if self.failure:
            raise GreenroomError(self.failure)
        self.up.add(number)


class Django:
    """Stands in for Django: one start looks at what is applied, another applies the rest."""

    def __init__(self, applied: dict[str, list[str]], has: dict[str, list[str]]) -> None:
        self.applied = applied
        self.has = has
        self.failure = ""
        self.asked: list[str] = []

    def run(self, _app: App, _number: int, step: str, *_: Any) -> dict[str, Any]:
        self.asked.append(step)
        if step == "look":
            return {alias: {"applied": names} for alias, names in self.applied.items()}
        new = {alias: self.has[alias][len(names) :] for alias, names in self.applied.items()}
        if not self.failure:
            self.applied = {alias: list(names) for alias, names in self.has.items()}
        return {alias: {"applied": names, "failure": self.failure} for alias, names in new.items()}


REVERSED = {"to": 6, "code": 7, "before": {"default": ["shop.1", "shop.2"]}}


def stage(app: App, number: int, **marker: Any) -> Journal:
    """A journal as a run left it that died while release ``number`` was on stage."""
    os.makedirs(app.release(number))
    app.put_on_stage(number)
    journal = Journal(app.journal, [], marker)
    journal.write()
    switch_on(app, "a rollback")
    return journal


def test_a_rollback_that_died_before_the_handover_is_undone(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    django = Django({"default": ["shop.1"]}, {"default": ["shop.1", "shop.2"]})
    monkeypatch.setattr(_settle, "run_migrations", django.run)
    journal = stage(app, 7, **REVERSED)
    assert settle(app, journal, Service(7)) == "Applied again for release 7: shop.2."  # type: ignore[arg-type]
    assert django.asked == ["look", "apply"]
    assert not is_on(app)
    assert Journal.read(app.journal).unsettled is None
    assert settle(app, journal, Service(7)) == ""  # type: ignore[arg-type]


def test_each_database_has_its_own_state(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each has all that it had, nothing is applied: not what another one had."""
    state = {"default": ["a.1"], "archive": ["b.1"]}
    django = Django(state, state)
    monkeypatch.setattr(_settle, "run_migrations", django.run)
    journal = stage(app, 7, to=6, code=7, before=state)
    assert settle(app, journal, Service(7)) == ""  # type: ignore[arg-type]
    assert django.asked == ["look"]


@pytest.mark.parametrize("marker", [REVERSED, {"to": 6, "swap": {"default": {}}, "closed": True}])
def test_one_that_died_after_it_is_at_its_end(app: App, marker: dict[str, Any]) -> None:
    assert settle(app, stage(app, 6, **marker), Service(6)) == ""  # type: ignore[arg-type]
    assert not is_on(app)
    assert Journal.read(app.journal).unsettled is None


def test_what_cannot_be_undone_keeps_the_visitors_out(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    django = Django({"default": ["shop.1"]}, {"default": ["shop.1", "shop.2"]})
    django.failure = "OperationalError: gone"
    monkeypatch.setattr(_settle, "run_migrations", django.run)
    with pytest.raises(GreenroomError, match=r"stays in maintenance"):
        settle(app, stage(app, 7, **REVERSED), Service(7))  # type: ignore[arg-type]
    assert is_on(app)
    assert Journal.read(app.journal).unsettled


class Database:
    """Stands in for one database of a server: what is there, by name."""

    def __init__(self, **there: str) -> None:
        self.there = there

    def replaced(self) -> list[str]:
        return [name for name in self.there if name.startswith("before")]

    def swap(self, fresh: str, before: str) -> None:
        self.there[before] = self.there["shop"]
        self.there["shop"] = self.there.pop(fresh)

    def drop(self, name: str) -> None:
        self.there.pop(name, None)


@pytest.mark.parametrize("to", [0, 6])
@pytest.mark.parametrize(
    "there",
    [
        pytest.param({"shop": "present", "fresh": "snapshot"}, id="loaded"),
        pytest.param({"shop": "snapshot", "before_1": "present"}, id="changed places"),
        pytest.param({"shop": "present"}, id="undone already"),
    ],
)
def test_a_restore_that_died_is_undone(
    app: App, monkeypatch: pytest.MonkeyPatch, there: dict[str, str], to: int
) -> None:
    """By restore.yml, for the release that serves, or by a rollback to another one."""
    database = Database(**there)
    monkeypatch.setattr(_backup, "databases_in_use", lambda *_: {"default": database})
    swap = {"default": {"fresh": "fresh", "before": "before_1"}}
    service = Service(6)
    said = settle(app, stage(app, 7, to=to, swap=swap, lacking=[]), service)  # type: ignore[arg-type]
    assert said == "The databases are those from before."
    assert database.there == {"shop": "present"}
    assert service.up == {7}
    assert not is_on(app)


def test_another_host_of_the_app_is_opened(app: App) -> None:
    service = Service()
    assert settle(app, stage(app, 7, to=0, closed=True), service) == ""  # type: ignore[arg-type]
    assert service.up == {7}
    assert not is_on(app)


def test_a_release_that_does_not_come_up_any_more_stops_no_deploy(app: App) -> None:
    service = Service()
    service.failure = "shop@7.service did not start: failed."
    journal = stage(app, 7, to=0, closed=True)
    assert settle(app, journal, service) == service.failure  # type: ignore[arg-type]
    assert Journal.read(app.journal).unsettled is None
