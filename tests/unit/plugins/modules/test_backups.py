"""Snapshots, and putting one back, with SQLite, and no Django and no systemd."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _backup, _snapshot
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._recovery import end_change
from ansible_collections.greenroom.django.plugins.modules import (
    drop_replaced,
    find_snapshot,
    import_snapshot,
    load_snapshot,
    maintenance,
    snapshot,
    swap_databases,
)

from tests.unit.conftest import defaults_of


class Stage:
    """What the modules do to the site, in the order in which they do it."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.path = os.path.join(app.shared, "db.sqlite3")
        self.did: list[str] = []
        self.up = {7}
        self.at_boot = {7}
        self.failure = ""
        #: the files that releases have
        self.files = ["shows.0001"]

    def sql(self, *statements: str) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = [row[0] for statement in statements for row in connection.execute(statement)]
            connection.commit()
        return rows

    def note(self, what: str) -> None:
        self.did.append(what + (" in maintenance" if os.path.exists(self.app.maintenance) else ""))

    # -- the service, and the way to Django --------------------------------------------------------

    def running(self) -> list[int]:
        return sorted(self.up)

    def is_active(self, number: int) -> bool:
        return number in self.up

    def enabled(self) -> list[int]:
        return sorted(self.at_boot)

    def enable(self, number: int) -> None:
        self.at_boot.add(number)

    def disable(self, number: int) -> None:
        self.at_boot.discard(number)

    def stop(self, number: int) -> None:
        self.note(f"stop {number}")
        self.up.discard(number)

    def start(self, number: int) -> None:
        self.note(f"start {number}")
        self.up.add(number)

    def migrate(self, _app: App, _number: int, step: str, aliases: list[str], _timeout: int) -> Any:
        self.note(f"{step} {aliases[0]}")
        return {"default": {"applied": ["shows.0002"], "failure": self.failure}}

    def django(self, *_: Any) -> Any:
        connection = {"engine": "django.db.backends.sqlite3", "name": self.path}
        return {"connections": {"default": connection}}


@pytest.fixture
def stage(app: App, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Release 7 serves, with a database of one row."""
    stage = Stage(app)
    os.makedirs(app.release(7))
    app.put_on_stage(7)
    stage.sql("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    stage.sql("CREATE TABLE django_migrations (id, app, name)")
    stage.sql("INSERT INTO django_migrations VALUES (1, 'shows', '0001')")
    for module in (snapshot, load_snapshot, maintenance, swap_databases, drop_replaced):
        monkeypatch.setattr(module, "App", lambda _: app)
    for module in (find_snapshot, import_snapshot):
        monkeypatch.setattr(module, "App", lambda _: app)
        monkeypatch.setattr(module, "refuse_without_rsync", lambda: None)
    monkeypatch.setattr(import_snapshot, "migrations_of", lambda *_: stage.files)
    monkeypatch.setattr(_backup, "read_manifest", lambda *_: {})
    monkeypatch.setattr(_backup, "start_django", stage.django)
    monkeypatch.setattr(load_snapshot, "migrations_of", lambda *_: stage.files)
    monkeypatch.setattr(swap_databases, "run_migrations", stage.migrate)
    monkeypatch.setattr(maintenance, "service_of", lambda *_: stage)
    return stage


def run(module: ModuleType, check: bool = False, **params: Any) -> dict[str, Any]:
    act: Callable[..., dict[str, Any]] = getattr(module, module.__name__.rpartition(".")[2])
    return act({**defaults_of(module), "app": "blog", "by": "ada@laptop", **params}, check)


def restore(stage: Stage, name: str, number: int = 7) -> dict[str, Any]:
    """What restore.yml and rollback.yml do, until the release has to prove itself."""
    loaded = run(load_snapshot, snapshot=name, release=number)
    run(maintenance, state="closed", release=number, reason="ada restores")
    swapped = run(swap_databases, release=number)
    stage.start(number)
    return {**loaded, **swapped}


def give_up(stage: Stage) -> str:
    """What begin and abandon do after a run that did not come to its end."""
    return end_change(stage.app, Journal.read(stage.app.journal), stage)[1]  # type: ignore[arg-type]


@pytest.mark.usefixtures("stage")
def test_a_snapshot() -> None:
    assert run(snapshot, check=True) == {"changed": True, "snapshots": []}
    taken = run(snapshot)
    [summary] = taken["snapshots"]
    assert (taken["name"], taken["pruned"]) == (summary["name"], [])
    assert {**summary, "name": "", "size": 0, "age": 0} == {
        "name": "",
        "release": 7,
        "size": 0,
        "reason": "asked for",
        "by": "ada@laptop",
        "age": 0,
        "databases": ["default"],
    }


def test_what_a_release_may_need_is_not_pruned(stage: Stage) -> None:
    names = [run(snapshot)["name"] for _ in range(3)]
    entries = [
        {"number": 6, "result": "good", "migrations": {"snapshot": names[0]}},
        {"number": 5, "result": "good", "migrations": {"snapshot": names[1]}, "pruned": True},
    ]
    Path(stage.app.journal).write_text(json.dumps({"releases": entries}))
    taken = run(snapshot, keep=1)
    assert sorted(taken["pruned"]) == names[1:]
    assert [each["name"] for each in taken["snapshots"]] == [taken["name"], names[0]]


@pytest.mark.parametrize("module", [snapshot, load_snapshot, drop_replaced, import_snapshot])
def test_nothing_serves(stage: Stage, module: ModuleType) -> None:
    os.unlink(stage.app.current)
    for check in (False, True):
        with pytest.raises(GreenroomError, match="No release of blog serves on this host"):
            run(module, check)


def test_a_restore(stage: Stage) -> None:
    name = run(snapshot)["name"]
    stage.sql("INSERT INTO t VALUES (2)")
    stage.up.add(6)  # it is still finishing its scene
    for dry in (
        run(load_snapshot, True, snapshot=name),
        run(maintenance, True, state="closed"),
        run(swap_databases, True, release=7),
        run(maintenance, True, state="open"),
    ):
        assert dry == {"changed": True}
    assert (stage.sql("SELECT a FROM t"), stage.did) == ([1, 2], [])
    done = restore(stage, name)
    assert stage.sql("SELECT a FROM t") == [1]
    assert stage.did == [f"{what} in maintenance" for what in ("stop 6", "stop 7", "start 7")]
    assert (done["migrated"], done["warnings"]) == ({}, [])
    [kept] = done["replaced"].values()
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchall() == [(2,)]
    assert done["saved"] in {each["name"] for each in run(snapshot)["snapshots"]}
    assert 0 <= run(maintenance, state="open")["seconds"] < 60
    assert not os.path.exists(stage.app.maintenance)
    assert give_up(stage) == "", "it came to its end"
    assert run(drop_replaced, check=True) == {"changed": True, "dropped": [kept]}
    assert run(drop_replaced) == {"changed": True, "dropped": [kept]}
    assert run(drop_replaced) == {"changed": False, "dropped": []}
    assert os.listdir(stage.app.shared) == ["db.sqlite3"]


def test_one_for_a_release_that_is_gone_back_to(stage: Stage) -> None:
    os.makedirs(stage.app.release(6))
    name = run(snapshot)["name"]
    stage.sql("INSERT INTO t VALUES (2)")
    restore(stage, name, 6)
    assert Journal.read(stage.app.journal).pending
    assert give_up(stage) == "The databases are those from before."
    assert stage.sql("SELECT a FROM t") == [1, 2]
    assert stage.up == {7}
    restore(stage, name, 6)
    stage.app.put_on_stage(6)
    assert give_up(stage) == "", "it serves, and what it was for is done"
    assert stage.sql("SELECT a FROM t") == [1]


def test_migrations_that_it_lacks_are_applied(stage: Stage) -> None:
    name = run(snapshot)["name"]
    stage.files.append("shows.0002")
    done = restore(stage, name)
    assert done["migrated"] == {"default": ["shows.0002"]}
    assert stage.did[1] == "apply default in maintenance"


def test_migrations_that_cannot_be_applied_to_it(stage: Stage) -> None:
    name = run(snapshot)["name"]
    stage.sql("INSERT INTO t VALUES (2)")
    stage.files.append("shows.0002")
    stage.failure = "ValueError: half-way"
    with pytest.raises(GreenroomError, match=r"A migration of release 7 failed: ValueError: half"):
        restore(stage, name)
    assert stage.sql("SELECT a FROM t") == [1]
    assert give_up(stage) == "The databases are those from before."
    assert stage.sql("SELECT a FROM t") == [1, 2]
    assert (stage.up, os.listdir(stage.app.shared)) == ({7}, ["db.sqlite3"])
    assert not os.path.exists(stage.app.maintenance)


def test_a_database_that_is_in_use(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a job of the app's, say. The site is back with all as it was."""
    name = run(snapshot)["name"]

    def busy(*_: Any) -> None:
        raise GreenroomError("database is locked")

    monkeypatch.setattr(
        "ansible_collections.greenroom.django.plugins.module_utils._database.sqlite.Sqlite.swap",
        busy,
    )
    with pytest.raises(GreenroomError, match="database is locked"):
        restore(stage, name)
    assert give_up(stage) == "The databases are those from before."
    assert stage.did[-1] == "start 7 in maintenance"
    assert os.listdir(stage.app.shared) == ["db.sqlite3"]


@pytest.mark.parametrize(
    ("taken_on", "restored_on", "refused"),
    [
        ("staging", "live", True),
        ("live", "staging", False),
        ("staging", "staging", False),
        ("live", "live", False),
        ("", "live", False),
        (None, "live", False),  # from before snapshots knew
    ],
)
def test_one_of_another_environment(
    stage: Stage, taken_on: str | None, restored_on: str, refused: bool
) -> None:
    name = run(snapshot)["name"]
    path = Path(stage.app.backups, name, "snapshot.json")
    about = {**json.loads(path.read_text()), "environment": taken_on}
    if taken_on is None:
        del about["environment"]
    path.write_text(json.dumps(about))
    said = rf"{name} is one of staging, and this is live\. Nothing was changed\."
    refusal = pytest.raises(GreenroomError, match=said)
    for check in (True, False):
        with refusal if refused else nullcontext():
            run(load_snapshot, check, snapshot=name, environment=restored_on)
    assert os.path.exists(f"{stage.path}_restore") != refused


def test_nothing_was_loaded(stage: Stage) -> None:
    with pytest.raises(GreenroomError, match="No snapshot was loaded"):
        run(swap_databases, release=7)
    assert stage.sql("SELECT a FROM t") == [1]


@pytest.mark.parametrize("damage", ["gone", "not a database"])
def test_a_database_that_is_damaged_is_replaced(stage: Stage, damage: str) -> None:
    name = run(snapshot)["name"]
    os.unlink(stage.path)
    if damage != "gone":
        Path(stage.path).write_text(damage * 1000)
    done = restore(stage, name)
    assert stage.sql("SELECT a FROM t") == [1]
    assert done["saved"] == ""
    assert done["warnings"][0].startswith("No snapshot of the present state could be taken: ")
    assert os.path.exists(done["replaced"]["default"]) == (damage != "gone")


def test_no_room_for_a_copy(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    name = run(snapshot)["name"]
    monkeypatch.setattr(_snapshot, "_MARGIN", 2**60)
    with pytest.raises(GreenroomError, match="A snapshot may need"):
        restore(stage, name)
    assert (stage.did, os.listdir(stage.app.shared)) == ([], ["db.sqlite3"])


def test_an_engine_that_is_no_longer_the_same(stage: Stage) -> None:
    name = run(snapshot)["name"]
    about = Path(stage.app.backups, name, "snapshot.json")
    about.write_text(about.read_text().replace('"sqlite"', '"postgresql"'))
    with pytest.raises(GreenroomError, match=r"of postgresql, and release 7 uses sqlite"):
        restore(stage, name)
    assert stage.did == []


# -- one that is carried from live to staging ------------------------------------------------------


def carry(**params: Any) -> tuple[dict[str, Any], str]:
    """Find the newest snapshot and carry it, from this host to this host; what was said of it."""
    found = run(find_snapshot)
    about = {"databases": found["databases"], "snapshot": found["name"], **params}
    expected = run(import_snapshot, **about)
    shutil.copytree(found["path"], expected["path"], dirs_exist_ok=True)
    return expected, found["name"]


def test_the_newest_is_found(stage: Stage) -> None:
    with pytest.raises(GreenroomError, match=r"no snapshot yet: backup\.yml takes one"):
        run(find_snapshot)
    names = [run(snapshot)["name"] for _ in range(2)]
    found = run(find_snapshot)
    assert (found["name"], found["path"]) == (names[1], f"{stage.app.backups}/{names[1]}")
    assert found["databases"] == {
        "default": {"engine": "sqlite", "size": 12288, "migrations": ["shows.0001"]}
    }
    assert 0 <= found["age"] < 60
    assert run(find_snapshot, snapshot=names[0])["name"] == names[0]
    with pytest.raises(GreenroomError, match="There is no snapshot 'x'"):
        run(find_snapshot, snapshot="x")


def test_a_damaged_one_is_not_carried(stage: Stage) -> None:
    name = run(snapshot)["name"]
    Path(stage.app.backups, name, "default.sqlite3").write_bytes(b"half")
    with pytest.raises(GreenroomError, match=r"default\.sqlite3 is damaged"):
        run(find_snapshot)


@pytest.mark.parametrize("module", [find_snapshot, import_snapshot])
def test_what_carries_it_is_missing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    run(snapshot)
    monkeypatch.setattr(module, "refuse_without_rsync", _snapshot.refuse_without_rsync)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(GreenroomError, match=r"rsync is not on this host\. Run site\.yml on it"):
        run(module)
    assert stage.did == []


def test_a_rehearsal(stage: Stage) -> None:
    run(snapshot)
    stage.sql("INSERT INTO t VALUES (2)")
    found = run(find_snapshot)
    about = {"databases": found["databases"], "snapshot": found["name"], "anonymised": True}
    dry = run(import_snapshot, True, **about)
    assert (dry["changed"], stage.app.carried()) == (True, [])
    carried, name = carry(anonymised=True)
    assert (carried["name"], carried["warnings"]) == (f"live-{name}", [])
    assert os.stat(carried["path"]).st_mode & 0o777 == 0o700
    restore(stage, carried["name"])
    assert stage.sql("SELECT a FROM t") == [1]
    assert run(import_snapshot, True, state="absent") == {"changed": True}
    assert stage.app.carried() == [carried["path"]]
    assert run(import_snapshot, state="absent") == {"changed": True}
    assert run(import_snapshot, state="absent") == {"changed": False}
    assert stage.app.carried() == []


def test_what_a_rehearsal_that_died_carried_goes(stage: Stage) -> None:
    """With the next run, whatever it is, or the next snapshot by the clock."""
    run(snapshot)
    carry()
    give_up(stage)
    assert stage.app.carried() == []
    carry()
    taken = run(snapshot)
    assert stage.app.carried() == []
    assert not any(each["name"].startswith("live-") for each in taken["snapshots"])


def test_the_user_is_told_what_staging_gets(stage: Stage) -> None:
    run(snapshot)
    stage.files = []
    warnings = carry()[0]["warnings"]
    assert warnings == [
        "app_hooks has no anonymise, so staging gets the data of live's users as it is.",
        "Live is ahead of release 7 of staging, which does not have shows.0001. To test the "
        "next deploy of live, deploy it on staging first.",
    ]


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (
            {"engine": "postgresql", "size": 1, "migrations": []},
            "in postgresql, and release 7 of staging uses sqlite",
        ),
        ({"engine": "sqlite", "size": 2**60, "migrations": []}, "The snapshot of live may need "),
    ],
)
def test_one_that_does_not_fit_is_not_carried(
    stage: Stage, about: dict[str, Any], said: str
) -> None:
    for check in (True, False):
        with pytest.raises(GreenroomError, match=said):
            run(import_snapshot, check, snapshot="6-x", databases={"default": about})
    assert (stage.did, os.path.exists(stage.app.backups)) == ([], False)
