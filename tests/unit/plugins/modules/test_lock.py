"""What a run that failed left in the database is taken back, and that of the last one alone."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._service.systemd import Systemd
from ansible_collections.greenroom.django.plugins.modules import lock


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

    monkeypatch.setattr(lock, "undo", undo)
    journal = Journal(app.journal, entries)
    lock.repair(app, journal, Systemd(app), 42, check_mode=True)
    assert asked == []
    lock.repair(app, journal, Systemd(app), 42, check_mode=False)
    assert asked == undone
