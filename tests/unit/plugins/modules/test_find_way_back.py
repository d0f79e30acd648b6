from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.modules import find_way_back

from tests.unit.conftest import defaults_of

FILES = {
    41: ["shop.1"],
    42: ["shop.1"],
    43: ["shop.1", "shop.2"],
    44: ["shop.1", "shop.2", "shop.3"],
}
LIVABLE = {"what": "Add", "livable": True, "reversible": True, "drops": []}
BREAKING = {"what": "Remove", "livable": False, "reversible": True, "drops": []}


@pytest.fixture
def asked(app: App, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Four releases, all good; and what Django was asked, whose answer says that 3 is breaking."""
    entries = []
    for number, files in FILES.items():
        os.makedirs(app.backstage(number))
        path = os.path.join(app.backstage(number), "release.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"migrations": files}, file)
        entries.append({"number": number, "result": "good", "revision": "a", "started": 0})
    Journal(app.journal, entries).write()
    asked: list[Any] = []

    def run(
        _app: App, number: int, step: str, _databases: Any, _timeout: Any, known: list[str]
    ) -> Any:
        asked.append((number, step, known))
        ahead = [
            {"name": name, "operations": [operation], "reversible": True, "needed_by": []}
            for name, operation in (("shop.3", BREAKING), ("shop.2", LIVABLE))
            if name not in known
        ]
        return {"default": {"ahead": ahead, "missing": []}}

    monkeypatch.setattr(find_way_back, "App", lambda _: app)
    monkeypatch.setattr(find_way_back, "run_migrations", run)
    return asked


def find(number: int, serving: int, **more: Any) -> dict[str, Any]:
    params = {**defaults_of(find_way_back), "app": "blog", "release": number, "serving": serving}
    return find_way_back.find_way_back({**params, **more}, False)


def test_the_same_migrations_cost_no_django_start(asked: list[Any], app: App) -> None:
    # While 44 is there, its migrations may have stayed.
    os.unlink(os.path.join(app.backstage(44), "release.json"))
    os.unlink(os.path.join(app.backstage(43), "release.json"))
    assert find(41, 42)["step"] == ""
    assert find(42, 42)["step"] == ""
    assert find(42, 0)["step"] == ""
    assert asked == []


def test_what_stays_and_what_goes(asked: list[Any]) -> None:
    way = find(42, 44)
    assert asked == [(44, "look", ["shop.1"])]
    assert [way["step"], way["reverse"], way["keep"], way["before_handover"]] == [
        "reverse",
        {"default": ["shop.3"]},
        {"default": ["shop.2"]},
        True,
    ]
    assert find(42, 44, migrations="keep")["step"] == ""
    assert find(42, 44, migrations="reverse")["reverse"] == {"default": ["shop.3", "shop.2"]}


def test_the_code_that_has_most_reverses(asked: list[Any]) -> None:
    """After a rollback that kept them, the one that serves does not know them any more."""
    assert find(42, 43)["code"] == 44
    assert asked[0][0] == 44


def test_forward_again_and_to_a_migration(asked: list[Any]) -> None:
    assert [find(44, 42)[key] for key in ("step", "code")] == ["apply", 44]
    assert [find(42, 44, migration="shop.1")[key] for key in ("step", "code")] == ["go_to", 44]
    assert asked == []


def test_one_from_before_migrations_were_recorded(asked: list[Any], app: App) -> None:
    path = os.path.join(app.backstage(41), "release.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({}, file)
    with pytest.raises(GreenroomError, match="made before migrations were recorded"):
        find(41, 44)
    assert asked == []


def test_the_snapshot_from_before_the_first_of_them() -> None:
    def entry(number: int, snapshot: str | None) -> dict[str, Any]:
        told = {} if snapshot is None else {"migrations": {"snapshot": snapshot}}
        return {"number": number, "result": "good", "started": 600, **told}

    journal = Journal("", [entry(42, "a"), entry(43, None), entry(44, "b"), entry(45, "c")])
    words = find_way_back.snapshot_in_words
    assert words(journal, 42, 900) == (
        "-e snapshot=b (loses what was written in the last 5 minutes)"
    )
    assert words(journal, 45, 900) == ""
    assert words(Journal("", [entry(44, "")]), 42, 900) == ""
