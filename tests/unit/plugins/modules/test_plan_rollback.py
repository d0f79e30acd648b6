from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.modules import plan_rollback

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

    monkeypatch.setattr(plan_rollback, "App", lambda _: app)
    monkeypatch.setattr(plan_rollback, "run_migrations", run)
    return asked


def find(number: int, serving: int, **more: Any) -> dict[str, Any]:
    params = {**defaults_of(plan_rollback), "app": "blog", "release": number, "serving": serving}
    return plan_rollback.plan_rollback({**params, **more}, False)


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
    assert asked == [(44, "plan", ["shop.1"])]
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
    assert [find(42, 44, migration="shop.1")[key] for key in ("step", "code")] == ["to", 44]
    assert asked == []


def test_one_from_before_migrations_were_recorded(asked: list[Any], app: App) -> None:
    path = os.path.join(app.backstage(41), "release.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({}, file)
    with pytest.raises(GreenroomError, match="made before migrations were recorded"):
        find(41, 44)
    assert asked == []


FIRST = "43-20261121T100000Z"  # taken when 43 was about to be deployed
SECOND = "44-20261121T110000Z"


@pytest.fixture
def snapshots(app: App, asked: list[Any]) -> None:
    """Those that were taken before the migrations of 43 and of 44, five and two minutes ago."""
    assert asked == []
    journal = Journal.read(app.journal)
    for name, number, minutes in ((FIRST, 43, 5), (SECOND, 44, 2)):
        journal.get(number)["migrations"] = {"snapshot": name}
        folder = os.path.join(app.backups, name)
        os.makedirs(folder)
        files = FILES[number - 1]
        about = {"engine": "sqlite", "file": "default.sqlite3", "size": 1, "migrations": files}
        snapshot = {"release": number - 1, "taken": time.time() - 60 * minutes, "by": "ada"}
        with open(os.path.join(folder, "snapshot.json"), "w", encoding="utf-8") as file:
            json.dump({**snapshot, "reason": "", "databases": {"default": about}}, file)
    journal.write()


@pytest.mark.usefixtures("snapshots")
def test_the_state_from_before_the_first_of_them_can_be_put_back(asked: list[Any]) -> None:
    way = find(42, 44, restore_database=True)
    assert [way["step"], way["snapshot"], way["before_handover"]] == ["restore", FIRST, True]
    assert way["warnings"] == [
        f"Putting the snapshot {FIRST} back loses what was written in the last 5 minutes. It is in "
        "the databases that are replaced, which are kept, and in another snapshot, taken now."
    ]
    assert find(43, 44, restore_database=True)["snapshot"] == SECOND
    assert find(42, 44, restore_database=True, snapshot=SECOND)["snapshot"] == SECOND
    assert asked == [], "it takes no Django start"


@pytest.mark.usefixtures("asked", "snapshots")
@pytest.mark.parametrize(
    ("number", "more", "said"),
    [
        (42, {"migrations": "keep"}, "leave out migrations= and migration="),
        (42, {"migration": "shop.1"}, "leave out migrations= and migration="),
        (
            42,
            {"snapshot": "42-x"},
            f"There is no snapshot '42-x'. There are, newest first: {SECOND}",
        ),
    ],
)
def test_what_cannot_be_put_back(number: int, more: dict[str, str], said: str) -> None:
    with pytest.raises(GreenroomError) as refused:
        find(number, 44, restore_database=True, **more)
    assert said in str(refused.value)


@pytest.mark.usefixtures("asked")
def test_there_is_no_snapshot_of_it() -> None:
    with pytest.raises(GreenroomError, match=r"no snapshot from before migrations that release 42"):
        find(42, 44, restore_database=True)


@pytest.mark.usefixtures("asked", "snapshots")
def test_the_snapshot_of_a_release_that_was_removed_is_still_the_one(app: App) -> None:
    """43, which had the first of them, is not on disk any more; its snapshot is."""
    journal = Journal.read(app.journal)
    journal.get(43)["pruned"] = True
    journal.write()
    assert find(42, 44, restore_database=True)["snapshot"] == FIRST
    assert find(42, 44, restore_database=True, snapshot=SECOND)["snapshot"] == SECOND


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("nosuch.0001", "which release 44 does not have. Nothing was changed. There are: shop."),
        ("shop.9", "There are: shop.1, shop.2, shop.3."),
        ("nosuch.zero", "There are: shop."),
        ("shop.2", ""),
        ("shop.zero", ""),
    ],
)
def test_a_migration_that_there_is_not(wanted: str, said: str) -> None:
    if said:
        with pytest.raises(GreenroomError) as refused:
            find(42, 44, migration=wanted)
        assert f"migration is {wanted!r}" in str(refused.value)
        assert said in str(refused.value)
    else:
        assert find(42, 44, migration=wanted)["step"] == "to"
