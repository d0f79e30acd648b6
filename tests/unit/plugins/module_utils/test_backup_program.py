from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _backup_program
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._pending_change import (
    PendingChange,
    Restore,
)

ARGUMENTS = ["blog", "--databases", "default", "archive", "--keep", "3", "--days", "9"]


@pytest.fixture
def taken(app: App, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was backed up, by whom, and who had the lock then."""
    taken: list[tuple[Any, ...]] = []

    def back_up(app: App, *options: Any) -> dict[str, Any]:
        taken.append((*options, json.loads(Path(app.lock).read_text())["by"]))
        return {"name": "7-x", "pruned": ["6-x"]}

    monkeypatch.setattr(_backup_program, "App", lambda _: app)
    monkeypatch.setattr(_backup_program, "back_up", back_up)
    return taken


def test_nothing_serves_yet(
    taken: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _backup_program.main(ARGUMENTS) == 0
    assert taken == []
    assert "Nothing of blog serves here yet" in capsys.readouterr().out


def test_a_snapshot_under_the_lock(
    app: App, taken: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    app.put_on_stage(7)
    assert _backup_program.main(ARGUMENTS) == 0
    by = _backup_program.BY
    assert taken == [(7, ["default", "archive"], "by the clock", by, 3, 9, by)]
    assert not os.path.exists(app.lock)
    assert capsys.readouterr().out == "Took the snapshot 7-x. Removed: 6-x.\n"


def test_it_waits_for_others_and_says_whom_it_waited_for(
    app: App,
    taken: list[tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app.put_on_stage(7)
    Path(app.lock).write_text(json.dumps({"token": "t", "by": "bob@desk", "since": time.time()}))
    monkeypatch.setattr(_backup_program, "PAUSE", 0.01)
    monkeypatch.setattr(_backup_program, "PATIENCE", 0.05)
    assert _backup_program.main(ARGUMENTS) == 1
    assert "bob@desk is at work here" in capsys.readouterr().err
    monkeypatch.setattr(_backup_program, "PATIENCE", 60)
    monkeypatch.setattr(time, "sleep", lambda _: os.unlink(app.lock))
    assert _backup_program.main(ARGUMENTS) == 0
    assert len(taken) == 1


def test_what_a_restore_left_half_done_is_not_kept(
    app: App, taken: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a rehearsal, it would be live's data as it is."""
    app.put_on_stage(7)
    restore = Restore({"default": "fresh"}, {"default": "before"}, [])
    Journal(app.journal, pending=PendingChange(7, restore=restore)).write()
    assert _backup_program.main(ARGUMENTS) == 1
    assert "A restore did not come to its end" in capsys.readouterr().err
    assert (taken, os.path.exists(app.lock)) == ([], False)


def test_a_failure_gives_the_lock_back(
    app: App, taken: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise GreenroomError("No room.")

    app.put_on_stage(7)
    monkeypatch.setattr(_backup_program, "back_up", fail)
    assert _backup_program.main(ARGUMENTS) == 1
    assert (taken, os.path.exists(app.lock)) == ([], False)
