"""What can be seen without a server. tests/end_to_end/test_backups.py has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database import (
    database_of,
    postgresql,
)
from ansible_collections.greenroom.django.plugins.module_utils._database.postgresql import (
    Postgresql,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

CONNECTION = {
    "engine": "django.contrib.gis.db.backends.postgis",
    "name": "blog",
    "host": "db.example.com",
    "port": "5433",
    "user": "ada",
    "password": "s3cret!",
    "options": {"sslmode": "require", "assume_role": "writer", "pool": True},
}


@pytest.fixture
def database(app: App) -> Postgresql:
    database = database_of(app, "default", CONNECTION)
    assert isinstance(database, Postgresql)
    return database


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, Any]]]:
    """What was run, and how."""
    ran: list[tuple[list[str], dict[str, Any]]] = []

    def run(_what: str, argv: list[str], **options: Any) -> str:
        ran.append((argv, options))
        return "12\n"

    monkeypatch.setattr(postgresql, "must_run", run)
    return ran


def test_a_snapshot(
    app: App, database: Postgresql, ran: list[tuple[list[str], dict[str, Any]]], tmp_path: Path
) -> None:
    database.dump(str(tmp_path / "blog.dump"))
    [(argv, options)] = ran
    assert argv == [
        "pg_dump",
        "--format=custom",
        "--lock-wait-timeout=60s",
        "--no-password",
        "--role=writer",
    ]
    assert options["user"] == app.user
    assert options["environment"] == {
        "PGHOST": "db.example.com",
        "PGPORT": "5433",
        "PGUSER": "ada",
        "PGPASSWORD": "s3cret!",
        "PGDATABASE": "blog",
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "10",
    }
    assert (tmp_path / "blog.dump").stat().st_mode & 0o777 == 0o600


def test_all_of_a_snapshot_is_read(
    database: Postgresql, ran: list[tuple[list[str], dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "blog.dump").touch()
    database.verify(str(tmp_path / "blog.dump"))
    assert [argv for argv, _ in ran] == [["pg_restore", "--file=/dev/null"]]
    assert database.size() == 12


@pytest.mark.parametrize(
    ("connection", "variables"),
    [
        ({"name": ""}, {"PGDATABASE": "postgres"}),
        ({"name": "", "options": {"service": "s"}}, {"PGSERVICE": "s"}),
        ({"name": "a b"}, {"PGDATABASE": "a b"}),
    ],
)
def test_how_it_is_found(app: App, connection: dict[str, Any], variables: dict[str, str]) -> None:
    database = Postgresql(app, "default", connection)
    assert database._environment(None) == {**variables, "PGCONNECT_TIMEOUT": "10"}


def test_no_message_has_the_password(database: Postgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise GreenroomError("no such host: ada:s3cret!@db")

    monkeypatch.setattr(postgresql, "must_run", fail)
    with pytest.raises(GreenroomError, match=r"^no such host: ada:\*{8}@db$"):
        database.size()


def test_tools_that_are_missing(database: Postgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise GreenroomError("Asking failed: psql is not on this host.")

    monkeypatch.setattr(postgresql, "must_run", fail)
    with pytest.raises(GreenroomError, match=r"It comes with: app_system_packages: \[postgresql-"):
        database.size()


def test_who_may_not_make_databases(database: Postgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    known = '{"name": "blog", "role": "ada", "started": "now", "may_create": false}'
    monkeypatch.setattr(postgresql, "must_run", lambda *_, **__: known)
    with pytest.raises(GreenroomError) as refused:
        database.check_restore()
    assert str(refused.value) == (
        "The database 'default' (blog on db.example.com) cannot be restored: that takes a new "
        "database, which the role ada may not make, and the server's superuser is not at hand on "
        "this host. For the time of the restore, let it: ALTER ROLE ada CREATEDB; it must own the "
        "database."
    )


def test_names_that_are_derived(app: App) -> None:
    for name, before in (
        ("blog", "blog_before_20261121t150312z"),
        ("é" * 30, "é" * 19 + "_before_20261121t150312z"),
    ):
        database = Postgresql(app, "default", {"name": name})
        vars(database)["_known"] = {"name": name}
        assert database.name_before("20261121t150312z") == before
        assert len(before.encode()) <= 63


def test_texts_for_sql() -> None:
    assert postgresql._name('a"b') == '"a""b"'
    assert postgresql._text("it's") == "'it''s'"
    # As pg_dump does it: what an app put into such a setting is never run.
    assert postgresql._names('app, "$user", "a""b, c", x;drop') == [
        "'app'",
        "'$user'",
        "'a\"b, c'",
        "'x;drop'",
    ]
    assert postgresql._names('""') == ["''"]
