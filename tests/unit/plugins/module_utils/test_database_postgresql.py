"""What can be seen without a server. tests/end_to_end/test_backups.py has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database import (
    database_of,
    postgresql_client,
    postgresql_sql,
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
        if options["stdout"]:
            options["stdout"].write(b"12\n")
        return ""

    monkeypatch.setattr(postgresql_client, "must_run", run)
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
    assert database.client.environment(None) == {**variables, "PGCONNECT_TIMEOUT": "10"}


def test_no_message_has_the_password(database: Postgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise GreenroomError("no such host: ada:s3cret!@db")

    monkeypatch.setattr(postgresql_client, "must_run", fail)
    with pytest.raises(GreenroomError, match=r"^no such host: ada:\*{8}@db$"):
        database.size()


def test_tools_that_are_missing(database: Postgresql, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise GreenroomError("prlimit: failed to execute psql", exit_code=127)

    monkeypatch.setattr(postgresql_client, "must_run", fail)
    missing = r"psql is not on this host. It comes with: app_system_packages: \[postgresql-"
    with pytest.raises(GreenroomError, match=missing):
        database.size()


def test_who_may_not_make_databases(database: Postgresql) -> None:
    vars(database.client)["known"] = {"name": "blog", "role": "ada", "may_create": False}
    with pytest.raises(GreenroomError) as refused:
        database.check_restore()
    assert str(refused.value) == (
        "The database 'default' (blog on db.example.com) cannot be restored: that takes a new "
        "database, which the role ada may not make, and the server's superuser makes one on its "
        "own host alone, and for the owner of the database. For the time of the restore, let it: "
        "ALTER ROLE ada CREATEDB; it must own the database."
    )


def test_names_that_are_derived(app: App) -> None:
    for name, before in (
        ("blog", "blog_before_20261121t150312z"),
        ("é" * 30, "é" * 19 + "_before_20261121t150312z"),
    ):
        database = Postgresql(app, "default", {"name": name})
        vars(database.client)["known"] = {"name": name}
        assert database.name_before("20261121t150312z") == before
        assert len(before.encode()) <= 63


def test_texts_for_sql() -> None:
    assert postgresql_sql.quote_name('a"b') == '"a""b"'
    assert postgresql_sql.quote_text("it's") == "'it''s'"
    # As pg_dump does it: what an app put into such a setting is never run.
    assert postgresql_sql.quote_names('app, "$user", "a""b, c", x;drop') == [
        "'app'",
        "'$user'",
        "'a\"b, c'",
        "'x;drop'",
    ]
    assert postgresql_sql.quote_names('""') == ["''"]


@pytest.mark.parametrize("answer", ["", "-1", "1; DROP", "9" * 5000, "٣"])
def test_what_is_no_size(
    database: Postgresql, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(database.client, "ask", lambda _: answer)
    with pytest.raises(GreenroomError, match="which is not what was asked for"):
        database.size()


def test_names_of_migrations_that_would_act_on_a_terminal(
    database: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["t", "notes.0001_initial\nnotes.\x1b]0;x\x07\nnotes.\u202e1000"])
    monkeypatch.setattr(database.client, "ask", lambda _: next(answers))
    assert database.migrations() == ["notes.0001_initial"]


def test_a_privilege_that_there_is_not() -> None:
    assert postgresql_sql.grant_statements(
        'DATABASE "x"', [("TEMPORARY", None), ("CONNECT", 'a"b')]
    ) == [
        'REVOKE ALL ON DATABASE "x" FROM PUBLIC',
        'GRANT TEMPORARY ON DATABASE "x" TO PUBLIC',
        'GRANT CONNECT ON DATABASE "x" TO "a""b"',
    ]
    with pytest.raises(GreenroomError, match="There is no privilege"):
        postgresql_sql.grant_statements('DATABASE "x"', [("ALL; COPY", None)])


def test_a_session_of_the_superusers_is_what_it_is(app: App) -> None:
    """The role's and the database's own settings do not hold there, nor does a socket of an app."""
    database = Postgresql(app, "default", {"name": "blog", "host": "/run/blog", "port": "5433"})
    local = database.client.local("postgres")
    assert local["PGREQUIREPEER"] == "postgres"
    assert "-c search_path=pg_catalog -c standard_conforming_strings=on" in local["PGOPTIONS"]
    assert (local["PGHOST"], local["PGPORT"], local["PGDATABASE"]) == (
        "/run/blog",
        "5433",
        "postgres",
    )
