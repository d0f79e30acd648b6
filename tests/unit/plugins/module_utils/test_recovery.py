"""A change that an interrupted run left pending is finished or undone by the next one."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _recovery
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    is_on,
    switch_on,
)
from ansible_collections.greenroom.django.plugins.module_utils._pending_change import (
    PendingChange,
    Restore,
    Reversal,
)
from ansible_collections.greenroom.django.plugins.module_utils._recovery import (
    begin_change,
    describe,
    end_change,
    finish_change,
    recover,
)


class Service:
    """Stands in for systemd, and remembers what ran."""

    def __init__(self, *up: int) -> None:
        self.up = set(up)
        self.at_boot = set(up)
        self.failure = ""

    def is_active(self, number: int) -> bool:
        return number in self.up

    def enabled(self) -> list[int]:
        return sorted(self.at_boot)

    def enable(self, number: int) -> None:
        self.at_boot.add(number)

    def disable(self, number: int) -> None:
        self.at_boot.discard(number)

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
        if step == "plan":
            return {alias: {"applied": names} for alias, names in self.applied.items()}
        new = {alias: self.has[alias][len(names) :] for alias, names in self.applied.items()}
        if not self.failure:
            self.applied = {alias: list(names) for alias, names in self.has.items()}
        return {alias: {"applied": names, "failure": self.failure} for alias, names in new.items()}


REVERSED = PendingChange(6, True, Reversal(7, {"default": ["shop.1", "shop.2"]}))
SWAP = Restore({"default": "fresh"}, {"default": "before_1"}, [])


def stage(app: App, number: int, change: PendingChange) -> Journal:
    """A journal as a run left it that was interrupted while release ``number`` was current."""
    os.makedirs(app.release(number))
    app.put_on_stage(number)
    Journal(app.journal, [], change).write()
    switch_on(app, "a rollback")
    return Journal.read(app.journal)


def end(app: App, journal: Journal, service: Service) -> str:
    """End the pending change; what became of the databases."""
    return end_change(app, journal, service)[1]  # type: ignore[arg-type]


def test_a_rollback_that_died_before_the_handover_is_undone(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    django = Django({"default": ["shop.1"]}, {"default": ["shop.1", "shop.2"]})
    monkeypatch.setattr(_recovery, "run_migrations", django.run)
    journal = stage(app, 7, REVERSED)
    assert end(app, journal, Service(7)) == "Applied again for release 7: shop.2."
    assert django.asked == ["plan", "apply"]
    assert not is_on(app)
    assert Journal.read(app.journal).pending is None
    assert end(app, journal, Service(7)) == ""


def test_each_database_has_its_own_state(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each has all that it had, nothing is applied: not what another one had."""
    state = {"default": ["a.1"], "archive": ["b.1"]}
    django = Django(state, state)
    monkeypatch.setattr(_recovery, "run_migrations", django.run)
    journal = stage(app, 7, PendingChange(6, reversal=Reversal(7, state)))
    assert end(app, journal, Service(7)) == ""
    assert django.asked == ["plan"]


@pytest.mark.parametrize("change", [REVERSED, PendingChange(6, True, restore=SWAP)])
def test_one_that_died_after_it_is_at_its_end(app: App, change: PendingChange) -> None:
    assert end(app, stage(app, 6, change), Service(6)) == ""
    assert not is_on(app)
    assert Journal.read(app.journal).pending is None


def test_what_cannot_be_undone_keeps_the_visitors_out(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    django = Django({"default": ["shop.1"]}, {"default": ["shop.1", "shop.2"]})
    django.failure = "OperationalError: gone"
    monkeypatch.setattr(_recovery, "run_migrations", django.run)
    with pytest.raises(GreenroomError, match=r"stays in maintenance"):
        end(app, stage(app, 7, REVERSED), Service(7))
    assert is_on(app)
    assert Journal.read(app.journal).pending


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
    monkeypatch.setattr(_recovery, "databases_in_use", lambda *_: {"default": database})
    service = Service(6)
    said = end(app, stage(app, 7, PendingChange(to, restore=SWAP)), service)
    assert said == "The databases are those from before."
    assert database.there == {"shop": "present"}
    assert service.up == {7}
    assert not is_on(app)


def test_another_host_of_the_app_is_opened(app: App) -> None:
    service = Service()
    assert end(app, stage(app, 7, PendingChange(maintenance=True)), service) == ""
    assert service.up == {7}
    assert not is_on(app)


def test_a_release_that_does_not_come_up_any_more_stops_no_deploy(app: App) -> None:
    service = Service()
    service.failure = "shop@7.service did not start: failed."
    journal = stage(app, 7, PendingChange(maintenance=True))
    assert end(app, journal, service) == service.failure
    assert Journal.read(app.journal).pending is None


@pytest.mark.parametrize("current", [6, 7])
def test_the_current_release_alone_runs_and_comes_up_at_boot(app: App, current: int) -> None:
    """Maintenance mode that somebody turned on by hand stays on."""
    service = Service(5, 6, 7)
    journal = stage(app, current, PendingChange(7))
    others = [number for number in (5, 6, 7) if number != current]
    assert end_change(app, journal, service) == (others, "")  # type: ignore[arg-type]
    assert (service.up, service.at_boot) == ({current}, {current})
    assert (is_on(app), Journal.read(app.journal).pending) == (True, None)


def test_one_that_is_enabled_and_about_to_start_is_stopped_too(app: App) -> None:
    """As shortly after a boot."""
    service = Service(7)
    service.at_boot = {6, 7}
    stopped: list[int] = []
    service.stop = stopped.append  # type: ignore[method-assign, assignment]
    end_change(app, stage(app, 7, PendingChange(7)), service)  # type: ignore[arg-type]
    assert (stopped, service.at_boot) == ([6], {7})


def test_a_target_whose_processes_die_is_stopped_too(app: App) -> None:
    """At the moment that anybody looks, it may have none."""
    service = Service(7)
    stopped: list[int] = []
    service.stop = stopped.append  # type: ignore[method-assign, assignment]
    end_change(app, stage(app, 7, PendingChange(8)), service)  # type: ignore[arg-type]
    assert (stopped, service.at_boot) == ([8], {7})


def test_nothing_is_current_after_a_first_deploy_that_died(app: App) -> None:
    service = Service(1)
    journal = Journal(app.journal, [], PendingChange(1))
    assert end_change(app, journal, service) == ([1], "")  # type: ignore[arg-type]
    assert (service.up, service.at_boot) == (set(), set())


def test_the_parts_of_a_change_come_together(app: App) -> None:
    """What was recorded stays, and the current release is no target."""
    os.makedirs(app.release(7))
    app.put_on_stage(7)
    begin_change(app, 7)
    assert not os.path.exists(app.journal), "starting the current release changes nothing"
    begin_change(app, 6, maintenance=True, reversal=REVERSED.reversal)
    begin_change(app, 0, restore=SWAP)
    app.put_on_stage(6)
    found = begin_change(app, 6)
    assert found == PendingChange(6, True, REVERSED.reversal, SWAP)
    assert Journal.read(app.journal).pending == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (PendingChange(43), "a handover to release 43"),
        (REVERSED, "a rollback to release 6 that reverses migrations"),
        (PendingChange(6, restore=SWAP), "a restore of the databases"),
        (PendingChange(maintenance=True), "maintenance mode"),
    ],
)
def test_what_it_is_in_words(change: PendingChange, words: str) -> None:
    assert describe(change) == words


def test_visitors_come_back_when_the_databases_are_final(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut while maintenance mode goes off undoes no database that visitors write to."""

    def cut(_: App) -> None:
        raise KeyboardInterrupt

    journal = stage(app, 7, PendingChange(0, True, restore=SWAP))
    with monkeypatch.context() as patch:
        patch.setattr(_recovery, "switch_off", cut)
        with pytest.raises(KeyboardInterrupt):
            finish_change(app, journal)
    assert Journal.read(app.journal).pending == PendingChange(maintenance=True)
    assert end(app, Journal.read(app.journal), Service(7)) == ""
    assert not is_on(app)


def entry(number: int, result: str, **more: Any) -> dict[str, Any]:
    return {"number": number, "result": result, **more}


@pytest.mark.parametrize(
    ("entries", "undone"),
    [
        ([], []),
        ([entry(42, "good")], []),
        ([entry(42, "good"), entry(43, "failed")], [43]),
        ([entry(42, "good"), entry(43, "building")], [43]),
        # What 43 applied may be what 44 needs.
        ([entry(42, "good"), entry(43, "failed"), entry(44, "good")], []),
        ([entry(42, "good"), entry(43, "failed", pruned=True)], []),
    ],
)
def test_whose_migrations_are_taken_back(
    app: App, monkeypatch: pytest.MonkeyPatch, entries: list[Any], undone: list[int]
) -> None:
    asked: list[int] = []

    def undo(_app: App, which: dict[str, Any]) -> str:
        asked.append(which["number"])
        return ""

    monkeypatch.setattr(_recovery, "undo", undo)
    journal = Journal(app.journal, entries)
    service: Any = Service(42)
    os.makedirs(app.release(42))
    app.put_on_stage(42)
    recover(app, journal, service, check_mode=True)
    assert asked == []
    recover(app, journal, service)
    assert asked == undone
