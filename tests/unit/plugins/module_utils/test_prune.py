from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _prune
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._journal import GOOD, Journal
from ansible_collections.greenroom.django.plugins.module_utils._prune import prune


def add_release(app: App, number: int, venv: str | None) -> dict[str, Any]:
    """A release on disk, with its environment file and, where it got that far, its virtualenv."""
    os.makedirs(os.path.join(app.backstage(number), "public"))
    with open(app.environment(number), "w", encoding="utf-8"):
        pass
    if venv:
        os.makedirs(os.path.join(app.venvs, venv), exist_ok=True)
        os.symlink(f"../../venvs/{venv}", os.path.join(app.release(number), ".venv"))
    return {"number": number, "revision": "", "result": GOOD, "before": number - 1 or None}


def on_disk(app: App) -> dict[str, list[str]]:
    rooms = {"releases": app.releases, "venvs": app.venvs, "etc": app.etc}
    return {name: sorted(os.listdir(room)) for name, room in rooms.items()}


def test_what_nobody_needs_goes_and_all_else_stays(app: App) -> None:
    entries = [add_release(app, n, v) for n, v in [(1, "old"), (2, "both"), (3, "both"), (4, None)]]
    os.makedirs(os.path.join(app.venvs, "half-built"))
    os.makedirs(os.path.join(app.releases, "9"))  # the journal does not know it
    journal = Journal(app.journal, entries)
    assert prune(app, journal, keep={3, 4}) == [1, 2]
    assert on_disk(app) == {
        "releases": ["3", "4", "9"],
        "venvs": ["both"],
        "etc": ["3.env", "4.env"],
    }
    assert [e["number"] for e in Journal.read(app.journal).on_disk()] == [4, 3]
    assert prune(app, journal, keep={3, 4}) == []


def test_one_that_was_cut_short_is_ended_by_the_next(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal says it first, so that nobody goes back to half a release."""
    journal = Journal(app.journal, [add_release(app, 1, "a"), add_release(app, 2, "b")])

    def power_fails(_top: str, _name: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_prune, "remove_from", power_fails)
        with pytest.raises(KeyboardInterrupt):
            prune(app, journal, keep={2})
    left = Journal.read(app.journal)
    assert [e["number"] for e in left.on_disk()] == [2]
    assert prune(app, left, keep={2}) == []
    assert on_disk(app) == {"releases": ["2"], "venvs": ["b"], "etc": ["2.env"]}
