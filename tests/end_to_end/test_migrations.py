"""The database goes along with the release, forwards and back, and no row is lost on the way.

The tests of this module are one story, told in their order, once with each database: ten releases,
each with a migration of another kind, and a row that was written on it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from host import Host, Load, PlaybookRun
from project import HOME, Project

pytestmark = pytest.mark.story

# What each release's migration does, and the fields of a note after it.
RELEASES: list[tuple[str, list[str]]] = [
    ("", []),
    ('migrations.CreateModel("Tag", [("id", models.BigAutoField(primary_key=True))])', []),
    (
        'migrations.AddField("Note", "stage", models.IntegerField(null=True))',
        ["stage = models.IntegerField(null=True)"],
    ),
    (
        'migrations.AddField("Note", "stars", models.IntegerField(default=0))',
        ["stage = models.IntegerField(null=True)", "stars = models.IntegerField(default=0)"],
    ),
    (
        'migrations.RenameField("Note", "stars", "rating")',
        ["stage = models.IntegerField(null=True)", "rating = models.IntegerField(default=0)"],
    ),
    ('migrations.RemoveField("Note", "stage")', ["rating = models.IntegerField(default=0)"]),
    (
        "migrations.RunPython(shout, whisper)",
        ["rating = models.IntegerField(default=0)"],
    ),
    (
        'migrations.RunSQL("CREATE INDEX by_rating ON notes_note (rating)", '
        '"DROP INDEX by_rating")',
        ["rating = models.IntegerField(default=0)"],
    ),
    (
        'migrations.AddIndex("Note", models.Index(fields=["text"], name="by_text"))',
        ["rating = models.IntegerField(default=0)"],
    ),
    (
        "migrations.RunPython(shout)",
        ["rating = models.IntegerField(default=0)"],
    ),
]
MIGRATION = """\
from django.db import migrations, models


def shout(apps, schema_editor):
    for note in apps.get_model("notes", "Note").objects.all():
        note.text = note.text.upper()
        note.save()


def whisper(apps, schema_editor):
    for note in apps.get_model("notes", "Note").objects.all():
        note.text = note.text.lower()
        note.save()


def stumble(apps, schema_editor):
    raise RuntimeError("The prompter is ill")


class Migration(migrations.Migration):
    dependencies = [("notes", "{before}")]
    operations = [{operations}]
"""
MODELS = """\
from django.db import models


class Note(models.Model):
    text = models.TextField()
    {fields}
"""


# With PostgreSQL, the settings take the database from where site.yml has put its address.
REQUIREMENTS = "django==5.2.18\npsycopg[binary]==3.3.9\n"
SETTINGS = """
from urllib.parse import unquote, urlsplit

if "DATABASE_URL" in os.environ:
    url = urlsplit(os.environ["DATABASE_URL"])
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path[1:],
        "USER": url.username,
        "PASSWORD": unquote(url.password),
        "HOST": url.hostname,
        "PORT": url.port,
    }
"""


def files(number: int, *more: str, fields: tuple[str, ...] = ()) -> dict[str, str]:
    """What release `number` has over the plain project; `more` operations make one migration."""
    found = {"requirements.txt": REQUIREMENTS}
    operations = [operation for operation, _ in RELEASES[1:number]]
    if more:
        operations.append(", ".join(more))
    before = "0001_initial"
    for index, operation in enumerate(operations, 2):
        found[f"notes/migrations/{index:04}_next.py"] = MIGRATION.format(
            before=before, operations=operation
        )
        before = f"{index:04}_next"
    lines = [*RELEASES[number - 1][1], *fields]
    found["notes/models.py"] = MODELS.format(fields="\n    ".join(lines))
    return found


def sql(project: Project, statement: str) -> list[list[str]]:
    """Run a statement on the app's database, whichever it is, and return its rows as text."""
    if project.variables.get("app_database") != "postgresql":
        return [[str(cell) for cell in row] for row in project.sql(statement)]
    psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", "playbill"]
    said = project.host.run([*psql, "--command", statement], user="postgres").stdout
    return [line.split("|") for line in said.splitlines()]


def applied(project: Project) -> list[str]:
    """The app's migrations that the database says are applied."""
    query = "SELECT name FROM django_migrations WHERE app = 'notes' ORDER BY name"
    return [row[0] for row in sql(project, query)]


def up_to(number: int) -> list[str]:
    """The migrations of release `number`."""
    return ["0001_initial", *(f"{index:04}_next" for index in range(2, number + 1))]


def columns(project: Project) -> set[str]:
    """The columns of a note."""
    if project.variables.get("app_database") == "postgresql":
        table = "information_schema.columns WHERE table_name = 'notes_note'"
        return {row[0] for row in sql(project, f"SELECT column_name FROM {table}")}
    return {row[1] for row in sql(project, "PRAGMA table_info(notes_note)")}


def schema(project: Project) -> set[str]:
    """All that the schema has, without an order: a column that comes back comes last."""
    if project.variables.get("app_database") == "postgresql":
        dump = project.host.run(["pg_dump", "--schema-only", "playbill"], user="postgres").stdout
        lines = {line.strip().rstrip(",") for line in dump.splitlines()}
        return {line for line in lines if not line.startswith(("--", "\\"))}
    names = [row[0] for row in sql(project, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    indexes = sql(project, "SELECT name FROM sqlite_master WHERE type = 'index'")
    return {
        *(
            f"{name}: {row[1:]}"
            for name in names
            for row in sql(project, f"PRAGMA table_info({name})")
        ),
        *(row[0] for row in indexes),
    }


def journal(project: Project) -> dict[int, Any]:
    """The journal's entries by their numbers."""
    text = project.host.run(["cat", f"{HOME}/journal.json"]).stdout
    assert "pending" not in json.loads(text), "no rollback is half-way"
    return {entry["number"]: entry for entry in json.loads(text)["releases"]}


def notes(project: Project) -> list[str]:
    """What was written, in the case in which it was."""
    return [text.lower() for text in project.page()["notes"]]


def rollback(project: Project, *arguments: str, check: bool = True) -> PlaybookRun:
    """Go back, and have nobody left outside."""
    run = project.host.playbook("rollback.yml", *arguments, check=check)
    left = project.host.run(["test", "-e", f"{HOME}/maintenance"], check=False).returncode
    assert left == 1, "the site is still in maintenance"
    return run


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def project(
    request: pytest.FixtureRequest, host: Host, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """The project with room for all of its releases, and nothing deployed."""
    made = Project.make(host, tmp_path_factory.mktemp("migrations"))
    made.variables.update(app_keep_releases=20, app_keep_snapshots=30)
    if request.param != "sqlite":
        # The host has had the story with SQLite; this one is of an app that starts afresh.
        host.shell("systemctl stop 'playbill@*'; rm -rf /srv/playbill /etc/playbill")
        made.variables["app_database"] = request.param
        made.provision()
    return made


def commit(project: Project, changed: dict[str, str]) -> None:
    """Commit and push the plain project with these files over it."""
    project.commit(changed, settings=SETTINGS)


#: the schema as it was when a release was deployed, by its number
schemas: dict[int, set[str]] = {}


WRITTEN = [f"written on {number}" for number in range(1, 10)]


def test_nine_releases_with_a_migration_each(project: Project) -> None:
    for number in range(1, 10):
        commit(project, files(number))
        project.deploy()
        assert project.serving() == number
        assert project.host.get(f"/add/?text=written%20on%20{number}").status == 204
        assert applied(project) == up_to(number)
        schemas[number] = schema(project)
    assert notes(project) == WRITTEN
    back = {number: entry["migrations"]["back"] for number, entry in journal(project).items()}
    reversals = {4, 5, 6}
    assert back == {n: "reversal" if n in reversals else "at once" for n in range(1, 10)}


def test_each_took_a_snapshot_first_that_only_root_can_see(project: Project) -> None:
    snapshots = {n: entry["migrations"]["snapshot"] for n, entry in journal(project).items()}
    assert snapshots.pop(1) == "", "there was nothing to lose yet"
    assert all(name.startswith(f"{number}-20") for number, name in snapshots.items())
    listed = project.host.shell(f"find {HOME}/backups -printf '%u %m\\n'").split("\n")
    assert {line for line in listed if line} <= {"root 700", "root 600"}
    assert set(project.host.shell(f"ls {HOME}/backups").split()) == set(snapshots.values())


def test_without_migrations_there_is_no_snapshot(project: Project) -> None:
    before = project.host.checksum(f"{HOME}/backups")
    commit(project, {**files(9), "CHANGES": "a line"})
    run = project.deploy()
    assert project.serving() == 10
    assert "migrations" not in journal(project)[10]
    assert run.recap[project.host.container]["ok"] == 10
    assert project.host.checksum(f"{HOME}/backups") == before


def test_what_the_older_code_can_live_with_stays(project: Project) -> None:
    """A new index, a statement of SQL, a data migration: nobody waits, and nothing is lost."""
    with Load(project.host, connections=4) as load:
        for number in (9, 8, 7, 6):
            rollback(project)
            assert project.serving() == number
    assert load.failures == 0, str(load)
    assert applied(project) == up_to(9)
    assert notes(project) == WRITTEN


def test_the_database_is_ahead_and_the_status_says_so(project: Project) -> None:
    said = project.host.playbook("status.yml").stdout
    assert (
        "the database is ahead of it by notes.0007_next, notes.0008_next, notes.0009_next" in said
    )
    commit(project, files(6))
    said = project.refuse(app_env={"WHO": "asks"})
    assert "The database 'default' is ahead of this revision, which does not have notes" in said
    assert "-e allow_database_ahead=true" in said
    # Who knows better, goes on.
    commit(project, files(6))
    project.deploy("-e", "allow_database_ahead=true")
    assert notes(project) == WRITTEN
    # The code that can reverse what this release does not know stays, and no more than that.
    assert set(project.host.shell(f"ls {HOME}/releases").split()) == {
        *(str(number) for number in range(1, 7)),
        "10",
        str(project.serving()),
    }
    rollback(project)
    assert project.serving() == 6


def test_what_it_cannot_live_with_is_reversed_where_nothing_is_dropped(project: Project) -> None:
    """The column that release 6 removed, and with it all that came after."""
    rollback(project)
    assert project.serving() == 5
    assert applied(project) == up_to(5)
    assert columns(project) == {"id", "text", "stage", "rating"}
    assert notes(project) == WRITTEN
    rollback(project)
    assert project.serving() == 4
    assert applied(project) == up_to(4)
    assert columns(project) == {"id", "text", "stage", "stars"}
    assert notes(project) == WRITTEN


def test_where_data_would_go_it_stops_and_says_what(project: Project) -> None:
    sql(project, "UPDATE notes_note SET stars = 5 WHERE id < 3")
    places = (f"{HOME}/releases", f"{HOME}/shared", f"{HOME}/backups", f"{HOME}/current")
    before = project.host.checksum(*places)
    run = rollback(project, check=False)
    said = " ".join(run.output.replace("\\n", " ").split())
    assert run.returncode != 0
    assert (
        "notes.0004_next: its reversal drops the column notes_note.stars, in which 2 rows hold data"
        in said
    )
    assert "-e migrations=reverse" in said
    assert "-e migrations=keep" in said
    snapshot = journal(project)[4]["migrations"]["snapshot"]
    assert f"-e restore_database=true (restores {snapshot}: loses what was written in" in said
    assert project.host.checksum(*places) == before, "nothing was changed"
    assert project.serving() == 4


def test_with_the_word_it_goes_on_after_a_snapshot(project: Project) -> None:
    before = set(project.host.shell(f"ls {HOME}/backups").split())
    rollback(project, "-e", "migrations=reverse")
    assert project.serving() == 3
    assert applied(project) == up_to(3)
    assert columns(project) == {"id", "text", "stage"}
    assert notes(project) == WRITTEN
    (new,) = set(project.host.shell(f"ls {HOME}/backups").split()) - before
    about = json.loads(project.host.run(["cat", f"{HOME}/backups/{new}/snapshot.json"]).stdout)
    assert about["reason"] == "before going back to release 3"


def test_all_the_way_back_and_forward_again(project: Project) -> None:
    """Release 10 is the ninth again, with the same migrations."""
    rollback(project, "-e", "rev=1")
    assert applied(project) == up_to(3), "a table and a column that may be empty stay"
    rollback(project, "-e", "rev=10")
    assert applied(project) == up_to(9)
    assert notes(project) == WRITTEN


def test_reverse_takes_all_back_while_the_site_answers(project: Project) -> None:
    with Load(project.host, connections=4) as load:
        rollback(project, "-e", "rev=6", "-e", "migrations=reverse")
    assert load.failures == 0, str(load)
    assert applied(project) == up_to(6)
    rollback(project, "-e", "rev=10")


def test_each_way_back_restores_the_schema_of_its_release(project: Project) -> None:
    for number in range(6, 0, -1):  # those that are on disk still
        rollback(project, "-e", f"rev={number}", "-e", "migrations=reverse")
        assert applied(project) == up_to(number)
        assert schema(project) == schemas[number]
        assert notes(project) == WRITTEN
    rollback(project, "-e", "rev=10")
    assert schema(project) == schemas[9]


def test_to_a_migration_by_its_name(project: Project) -> None:
    rollback(project, "-e", "rev=6", "-e", "migration=notes.0007")
    assert applied(project) == up_to(7)
    rollback(project, "-e", "rev=10")
    assert applied(project) == up_to(9)


def test_one_that_fails_half_way_is_taken_back(project: Project) -> None:
    extra = 'migrations.AddField("Note", "extra", models.IntegerField(null=True))'
    more = files(9, extra)
    more["notes/migrations/0011_next.py"] = MIGRATION.format(
        before="0010_next", operations="migrations.RunPython(stumble)"
    )
    commit(project, more)
    said = project.refuse()
    assert "RuntimeError: The prompter is ill" in said
    assert "The database is back in the state before: notes.0010_next was reversed." in said
    assert applied(project) == up_to(9)
    assert "extra" not in columns(project)
    assert notes(project) == WRITTEN


def test_so_are_those_of_a_release_that_does_not_answer(project: Project) -> None:
    extra = 'migrations.AddField("Note", "extra", models.IntegerField(null=True))'
    broken = {"config/wsgi.py": "def application(environ, start):\n    raise RuntimeError(1)\n"}
    commit(project, {**files(9, extra), **broken})
    said = project.refuse()
    assert "did not prove itself" in said
    assert "The database is back in the state before: notes.0010_next was reversed." in said
    assert applied(project) == up_to(9)


def test_what_would_break_the_release_that_serves_is_found_before(project: Project) -> None:
    removal = (
        'migrations.RunSQL("DROP INDEX by_rating", '
        '"CREATE INDEX by_rating ON notes_note (rating)"), '
        'migrations.RemoveField("Note", "rating")'
    )
    commit(project, {**files(9, removal), "notes/models.py": MODELS.format(fields="")})
    before = applied(project)
    said = project.refuse(app_migration_check="stop")
    assert "These migrations would break release 10" in said
    assert "notes.0010_next" in said
    assert "-e allow_backwards_incompatible=true" in said
    assert applied(project) == before
    run = project.deploy()  # in staging it is a warning
    assert "These migrations may break release 10" in run.output
    assert "rating" not in columns(project)
    rollback(project)
    assert "rating" in columns(project)
    assert notes(project) == WRITTEN


def test_one_that_cannot_be_reversed_stays_or_stops(project: Project) -> None:
    commit(project, files(10))
    project.deploy()
    rollback(project)
    assert applied(project) == up_to(10)
    run = rollback(project, "-e", "migrations=reverse", check=False)
    assert run.returncode != 0
    assert "notes.0010_next cannot be reversed: Raw Python operation" in run.output
    assert notes(project) == WRITTEN


def count_in_what_was_replaced(project: Project, text: str) -> int:
    """How many notes say `text` in the database that the last restore replaced."""
    question = f"SELECT count(*) FROM notes_note WHERE text = '{text}'"
    if project.variables.get("app_database") == "postgresql":
        names = "SELECT datname FROM pg_database WHERE datname LIKE 'playbill_before_%' ORDER BY 1"
        psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", question]
        return int(project.host.run([*psql, sql(project, names)[-1][0]], user="postgres").stdout)
    path = project.host.shell(f"ls {HOME}/shared/db.sqlite3_before_*").split()[-1]
    ask = f"import sqlite3; print(sqlite3.connect({path!r}).execute({question!r}).fetchone()[0])"
    return int(project.host.run(["python3", "-c", ask]).stdout)


def test_the_snapshot_from_before_comes_back_with_its_release(project: Project) -> None:
    """What was written since that deploy is set aside, and kept."""
    before, newest = project.serving(), max(journal(project))
    rollback(project, "-e", f"rev={newest}")
    assert project.host.get("/add/?text=afterwards").status == 204
    snapshot = journal(project)[newest]["migrations"]["snapshot"]
    rollback(project, "-e", "restore_database=true", "--check")
    run = rollback(project, "-e", "restore_database=true")
    assert f"Putting the snapshot {snapshot} back loses what was" in " ".join(run.output.split())
    assert project.serving() == before
    assert applied(project) == up_to(9)
    assert notes(project) == WRITTEN
    assert count_in_what_was_replaced(project, "afterwards") == 1


def test_and_changes_places_again_where_that_release_does_not_serve(project: Project) -> None:
    before, newest = project.serving(), max(journal(project))
    rollback(project, "-e", f"rev={newest}")
    assert project.host.get("/add/?text=kept").status == 204
    stops_gunicorn = 'GUNICORN_CMD_ARGS="--no-such-option"\n'
    with project.host.edited(f"/etc/playbill/{before}.env", stops_gunicorn):
        run = rollback(project, "-e", "restore_database=true", check=False)
    assert run.returncode != 0
    assert "The databases are those from before." in " ".join(run.output.split())
    assert project.serving() == newest
    assert applied(project) == up_to(10)
    assert notes(project) == [*WRITTEN, "kept"]
