from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import namedtuple
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _snapshot
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database.base import Database
from ansible_collections.greenroom.django.plugins.module_utils._database.sqlite import Sqlite
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

NOON = 1795435200  # 2026-11-23, 12:00 UTC


@pytest.fixture
def databases(app: App) -> dict[str, Database]:
    path = os.path.join(app.shared, "db.sqlite3")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE django_migrations (id, app, name)")
        connection.execute("INSERT INTO django_migrations VALUES (1, 'shows', '0001_initial')")
        connection.commit()
    return {"default": Sqlite(app, "default", {"engine": "sqlite3", "name": path})}


def take(app: App, databases: dict[str, Database], number: int = 7) -> str:
    return _snapshot.take(app, number, databases, "to be safe", "ada@laptop")


def at(app: App, databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch, ago: int) -> str:
    """Take a snapshot so many days before noon."""
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: NOON - ago * 86400)
        return take(app, databases)


def test_a_snapshot(
    app: App, databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.makedirs(app.backups, mode=0o755)
    name = at(app, databases, monkeypatch, 0)
    assert name == "7-20261123T120000Z"
    folder = Path(app.backups, name)
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "default.sqlite3": 0o600,
        "snapshot.json": 0o600,
    }
    assert [path.stat().st_mode & 0o777 for path in (folder, folder.parent)] == [0o700, 0o700]
    snapshot = _snapshot.find(app, name)
    about = snapshot["databases"]["default"]
    assert snapshot == {
        "release": 7,
        "environment": "",
        "taken": NOON,
        "reason": "to be safe",
        "by": "ada@laptop",
        "name": name,
        "size": 8192,
        "databases": {
            "default": {
                "engine": "sqlite",
                "file": "default.sqlite3",
                "size": 8192,
                "sha256": about["sha256"],
                "migrations": ["shows.0001_initial"],
            }
        },
    }
    _snapshot.check(app, snapshot)
    assert _snapshot.path_of(app, snapshot, "default") == str(folder / "default.sqlite3")


@pytest.mark.parametrize(
    ("manifest", "environment"),
    [
        ({"settings": {"environment": "live"}}, "live"),
        ({"settings": {"environment": "staging"}}, "staging"),
        ({"settings": {}}, ""),
        ({}, ""),
    ],
)
def test_it_knows_its_environment(
    app: App, databases: dict[str, Database], manifest: dict[str, Any], environment: str
) -> None:
    backstage = Path(app.backstage(7))
    backstage.mkdir(parents=True)
    (backstage / "release.json").write_text(json.dumps(manifest))
    assert _snapshot.find(app, take(app, databases))["environment"] == environment


def test_two_in_a_second(
    app: App, databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [at(app, databases, monkeypatch, 0) for _ in range(2)]
    assert names == ["7-20261123T120000Z", "7-20261123T120001Z"]
    assert [s["name"] for s in _snapshot.list_snapshots(app)] == names[::-1]


def test_no_room(app: App, databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch) -> None:
    Room = namedtuple("Room", "f_bavail f_frsize")
    monkeypatch.setattr(os, "statvfs", lambda _: Room(63, 2**20))
    with pytest.raises(GreenroomError) as refused:
        take(app, databases)
    assert str(refused.value) == (
        f"A snapshot may need 65 MiB, and {app.backups} has 63 MiB free. Make room there: older "
        f"snapshots, say, of which {app.backups} has 0."
    )
    assert os.listdir(app.backups) == []


def test_one_that_fails_leaves_nothing(
    app: App, databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> None:
        raise GreenroomError("It is damaged.")

    monkeypatch.setattr(databases["default"], "verify", fail)
    with pytest.raises(GreenroomError, match=r"It is damaged\."):
        take(app, databases)
    assert os.listdir(app.backups) == []


def test_what_a_run_that_died_left_goes(app: App, databases: dict[str, Database]) -> None:
    os.makedirs(os.path.join(app.backups, "6-20260101T000000Z.partial/x"))
    assert [take(app, databases)] == os.listdir(app.backups)


def test_one_that_is_not_there(app: App, databases: dict[str, Database]) -> None:
    with pytest.raises(GreenroomError, match=r"Say which .* There is none yet\.$"):
        _snapshot.find(app, "")
    names = [take(app, databases), take(app, databases, 8)][::-1]
    with pytest.raises(GreenroomError, match=rf"no snapshot '../x'.*: {names[0]}, {names[1]}\.$"):
        _snapshot.find(app, "../x")
    Path(app.backups, names[1], "snapshot.json").write_text("{")
    with pytest.raises(GreenroomError, match=rf"{names[1]} has no .*: {names[0]}\.$"):
        _snapshot.find(app, names[1])


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_one(app: App, databases: dict[str, Database], damage: str) -> None:
    snapshot = _snapshot.find(app, take(app, databases))
    path = Path(_snapshot.path_of(app, snapshot, "default"))
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "cut" else content[:-1] + b"x")
    with pytest.raises(GreenroomError, match=rf"{path} (is damaged|cannot be read)"):
        _snapshot.check(app, snapshot)


def test_what_is_too_many_or_too_old_goes(
    app: App, databases: dict[str, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {ago: at(app, databases, monkeypatch, ago) for ago in (50, 40, 20, 3, 2, 1)}
    monkeypatch.setattr(time, "time", lambda: NOON)

    def left() -> list[int]:
        there = {snapshot["name"] for snapshot in _snapshot.list_snapshots(app)}
        return sorted(ago for ago, name in names.items() if name in there)

    assert _snapshot.prune(app, keep=10, days=30, needed={names[50]}) == [names[40]]
    assert left() == [1, 2, 3, 20, 50]
    assert _snapshot.prune(app, keep=2, days=30, needed={names[20]}) == [names[3], names[50]]
    assert left() == [1, 2, 20]
    _snapshot.prune(app, keep=1, days=0, needed=set())
    assert left() == [1]
    assert json.loads(Path(app.backups, names[1], "snapshot.json").read_text())["release"] == 7
