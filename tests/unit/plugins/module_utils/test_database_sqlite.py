from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database import (
    database_of,
    databases_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._database.sqlite import Sqlite
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError


@pytest.fixture
def path(app: App) -> Path:
    """A database with a table of two rows."""
    path = Path(app.shared, "a site?.db")
    sql(path, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2)")
    path.chmod(0o640)
    return path


@pytest.fixture
def database(app: App, path: Path) -> Sqlite:
    return Sqlite(app, "default", {"engine": "django.db.backends.sqlite3", "name": str(path)})


def sql(path: Path | str, *statements: str) -> list[int]:
    """Run statements; the first column of what they answer."""
    with closing(sqlite3.connect(path)) as connection:
        rows = [row[0] for statement in statements for row in connection.execute(statement)]
        connection.commit()
    return rows


def rows(path: Path | str) -> list[int]:
    return sql(path, "SELECT a FROM t")


def test_a_snapshot_is_a_private_copy(database: Sqlite, path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    Path(database.folder, ".greenroom-snapshot-x").write_text("of a run that died")
    database.dump(str(copy))
    database.verify(str(copy))
    assert rows(copy) == [1, 2]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert os.listdir(database.folder) == [path.name]
    assert database.size() == path.stat().st_size


def test_a_write_ahead_log_goes_along(database: Sqlite, path: Path, tmp_path: Path) -> None:
    sql(path, "PRAGMA journal_mode=WAL")
    with closing(sqlite3.connect(path)) as site:
        site.execute("INSERT INTO t VALUES (3)")
        site.commit()
        assert database.size() > path.stat().st_size
        database.dump(str(tmp_path / "copy"))
    database.verify(str(tmp_path / "copy"))
    assert rows(tmp_path / "copy") == [1, 2, 3]
    assert sql(tmp_path / "copy", "PRAGMA journal_mode") == ["wal"]  # type: ignore[comparison-overlap]


def test_of_a_site_that_writes_all_the_time(database: Sqlite, path: Path, tmp_path: Path) -> None:
    """Each row comes with its twin in one transaction, and so it must be in the copy."""
    sql(path, "CREATE TABLE twin (a)", "CREATE TABLE big (a)")
    sql(path, "INSERT INTO big SELECT zeroblob(30000000)")
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, timeout=20)) as site:
            number = 0
            while not over.is_set():
                number += 1
                site.execute("INSERT INTO t VALUES (?)", [number])
                site.execute("INSERT INTO twin VALUES (?)", [number])
                site.commit()
                time.sleep(0.02)

    sql(path, "DELETE FROM t")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        database.dump(str(tmp_path / "copy"))
    finally:
        over.set()
        writer.join()
    database.verify(str(tmp_path / "copy"))
    assert rows(tmp_path / "copy") == sql(tmp_path / "copy", "SELECT a FROM twin")


@pytest.mark.parametrize("damage", [b"", b"SQLite format 3\0", None])
def test_a_damaged_one_is_refused(
    database: Sqlite, path: Path, tmp_path: Path, damage: bytes | None
) -> None:
    sql(path, "CREATE INDEX i ON t (a)", "INSERT INTO t SELECT zeroblob(9000)")
    copy = tmp_path / "copy"
    database.dump(str(copy))
    whole = copy.read_bytes()
    copy.write_bytes(whole[:4096] + b"\xff" * 4096 + whole[8192:] if damage is None else damage)
    if damage == b"":
        return  # an empty file is an empty database: the checksum knows better
    with pytest.raises(GreenroomError, match=r"Checking the snapshot of the database 'default'"):
        database.verify(str(copy))
    with pytest.raises(GreenroomError, match="Restoring of the database 'default'"):
        database.restore(str(copy))
    assert os.listdir(database.folder) == [path.name]


@pytest.mark.parametrize("mode", ["delete", "wal", "persist"])
def test_one_takes_the_place_of_another_and_back(
    database: Sqlite, path: Path, tmp_path: Path, mode: str
) -> None:
    sql(path, f"PRAGMA journal_mode={mode}")
    database.dump(str(tmp_path / "copy"))
    sql(path, f"PRAGMA journal_mode={mode}", "INSERT INTO t VALUES (3)")
    Path(f"{path}_restore").write_text("of a run that died")
    fresh = database.restore(str(tmp_path / "copy"))
    assert (rows(fresh), rows(path)) == ([1, 2], [1, 2, 3])
    before = database.name_before("20261121t150312z")
    database.swap(fresh, before)
    assert (rows(path), rows(before)) == ([1, 2], [1, 2, 3])
    assert path.stat().st_mode & 0o777 == 0o640
    assert database.replaced() == [before]
    assert sorted(os.listdir(database.folder)) == [path.name, os.path.basename(before)]
    if mode == "wal":
        assert sql(path, "PRAGMA journal_mode") == ["wal"]  # type: ignore[comparison-overlap]
    database.swap(before, fresh)
    assert (rows(path), rows(fresh)) == ([1, 2, 3], [1, 2])
    database.drop(fresh)
    assert os.listdir(database.folder) == [path.name]


def test_none_takes_the_place_of_one_that_is_in_use(
    database: Sqlite, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.greenroom.django.plugins.module_utils._database import sqlite_process

    monkeypatch.setattr(sqlite_process, "WAIT", 0)
    sql(path, "PRAGMA journal_mode=WAL")
    database.dump(str(tmp_path / "copy"))
    fresh = database.restore(str(tmp_path / "copy"))
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT * FROM t").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            sqlite_process.swap(str(path), fresh, f"{path}_before")
    assert sorted(os.listdir(database.folder)) == [path.name, os.path.basename(fresh)]


def test_the_migrations(database: Sqlite, path: Path) -> None:
    assert database.migrations() == []
    sql(path, "CREATE TABLE django_migrations (id, app, name)")
    sql(path, "INSERT INTO django_migrations VALUES (2, 'b', '0001'), (1, 'a', '0001_x')")
    assert database.migrations() == ["a.0001_x", "b.0001"]


def test_one_that_is_not_there_is_not_made(database: Sqlite, path: Path, tmp_path: Path) -> None:
    path.unlink()
    for act in (database.size, lambda: database.dump(str(tmp_path / "copy"))):
        with pytest.raises(GreenroomError, match=r"database 'default' \(.*site\?\.db\) failed"):
            act()
    assert os.listdir(database.folder) == []


def test_other_engines_are_refused(app: App) -> None:
    mysql = {"engine": "django.db.backends.mysql", "name": "blog", "password": "s3cret!"}
    with pytest.raises(GreenroomError) as refused:
        database_of(app, "default", mysql)
    assert str(refused.value) == (
        "The database 'default' cannot be snapshotted: its ENGINE is 'django.db.backends.mysql', "
        "and Greenroom supports SQLite and PostgreSQL. Leave it out of app_databases and back it "
        "up with its own tools."
    )
    with pytest.raises(GreenroomError, match="'default' cannot be snapshotted: it is in memory"):
        database_of(app, "default", {"engine": "django.db.backends.sqlite3", "name": ""})
    with pytest.raises(GreenroomError, match=r"names 'archive'; the settings have default\."):
        databases_of(app, ["archive"], {"default": mysql})
