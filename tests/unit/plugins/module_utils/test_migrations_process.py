"""Migrations told, applied and reversed, with real Djangos and SQLite."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _migrations_process
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import start_django
from ansible_collections.greenroom.django.plugins.module_utils._environment import dump_environment

from tests.unit.conftest import prepared_app, with_the_newest

SETTINGS = """
from pathlib import Path
SECRET_KEY = "x" * 50
INSTALLED_APPS = ["django.contrib.contenttypes", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "WHERE"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
ID = '("id", models.BigAutoField(primary_key=True))'
HEAD = """
from django.db import migrations, models

def nothing(apps, schema_editor):
    pass

def fail(apps, schema_editor):
    raise ValueError("half-way")

class Migration(migrations.Migration):
    dependencies = {after}
    operations = [{operations}]
"""
INITIAL = (
    f'migrations.CreateModel("Show", [{ID}, ("title", models.CharField(max_length=50)), '
    '("seats", models.IntegerField(null=True))])'
)


class Release:
    """Release 7, whose migrations are what a test says."""

    def __init__(self, app: App, venv: Path) -> None:
        self.app, self.tree, self.names = app, Path(app.release(7)), ["0001_initial"]
        self.database = Path(app.shared) / "db.sqlite3"
        (self.tree / ".greenroom").mkdir(parents=True)
        os.symlink(venv, self.tree / ".venv")
        Path(app.environment(7)).write_text(dump_environment({}))
        self.write("project/__init__.py", "")
        self.write("project/settings.py", SETTINGS.replace("WHERE", str(self.database)))
        self.write("shop/__init__.py", "")
        self.write("shop/migrations/__init__.py", "")
        self.write("shop/migrations/0001_initial.py", HEAD.format(after=[], operations=INITIAL))

    def write(self, name: str, content: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def add(self, *operations: str) -> str:
        """Add a migration; its name."""
        name = f"{len(self.names) + 1:04}_next"
        text = HEAD.format(after=[("shop", self.names[-1])], operations=", ".join(operations))
        self.write(f"shop/migrations/{name}.py", text)
        self.names.append(name)
        return f"shop.{name}"

    def do(self, step: str, **more: Any) -> Any:
        request = {
            "steps": [step],
            "databases": ["default"],
            "known": None,
            "sql": False,
            "linter": "",
            "reverse": {},
            "target": "",
            **more,
        }
        manifest = {"directory": ".", "settings_module": "project.settings"}
        answer = start_django(
            self.app, 7, manifest, request, timeout=60, process=_migrations_process
        )
        return answer["databases"]["default"]

    def execute(self, sql: str) -> list[Any]:
        connection = sqlite3.connect(self.database)
        with connection:
            found = connection.execute(sql).fetchall()
        connection.close()
        return found


@pytest.fixture
def release(app: App, venv: Path) -> Release:
    return Release(app, venv)


FIRST = ["contenttypes.0001_initial", "contenttypes.0002_remove_content_type_name"]


def test_what_waits_is_applied_and_reversed(release: Release) -> None:
    added = release.add('migrations.AddField("Show", "stage", models.IntegerField(null=True))')
    found = release.do("plan")
    assert [found["applied"], found["missing"], found["ahead"]] == [[], [], []]
    waiting = {migration["name"]: migration for migration in found["waiting"]}
    assert set(waiting) == {*FIRST, "shop.0001_initial", added}
    assert waiting[added] == {
        "name": added,
        "operations": [
            {
                "what": "Add field stage to Show",
                "reversible": True,
                "livable": True,
                "drops": [],
            }
        ],
        "reversible": True,
        "needed_by": [],
    }
    assert waiting["shop.0001_initial"]["needed_by"] == [added]

    done = release.do("apply")
    assert done["before"] == []
    assert set(done["applied"]) == {*FIRST, "shop.0001_initial", added}
    assert release.do("apply") == {"before": done["applied"], "applied": [], "reversed": []}

    back = release.do("reverse", reverse={"default": [added]})
    assert [back["applied"], back["reversed"]] == [[], [added]]
    back = release.do("to", target="shop.zero")
    assert back["reversed"] == ["shop.0001_initial"]
    assert [m["name"] for m in release.do("plan")["waiting"]] == ["shop.0001_initial", added]


@with_the_newest
def test_a_database_that_is_ahead_of_the_code(release: Release) -> None:
    release.do("apply")
    release.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0009_later', 'x')"
    )
    release.execute(
        "INSERT INTO django_migrations (app, name, applied) VALUES ('gone', '0001_old', 'x')"
    )
    assert release.do("plan")["missing"] == ["shop.0009_later"], "an app that was left is no news"


@with_the_newest
def test_one_that_fails_says_what_was_done_before_it(release: Release) -> None:
    good = release.add('migrations.AddField("Show", "a", models.IntegerField(null=True))')
    release.add("migrations.RunPython(fail)")
    done = release.do("apply")
    assert done["failure"] == "ValueError: half-way"
    assert set(done["applied"]) == {*FIRST, "shop.0001_initial", good}
    assert [m["name"] for m in release.do("plan")["waiting"]] == ["shop.0003_next"]


ROUTER = """
class Router:
    def allow_migrate(self, db, app_label, **hints):
        return app_label != "shop"
"""


@with_the_newest
def test_what_raises_when_it_is_judged_is_unknown(release: Release) -> None:
    """A historic max_length that is a string, and an operation of the project's own that fails."""
    release.add('migrations.AddField("Show", "a", models.CharField(max_length="2", null=True))')
    string = release.add('migrations.AlterField("Show", "a", models.CharField(max_length=3))')
    release.write("shop/__init__.py", ODD)
    odd = release.add('__import__("shop").Odd()')
    waiting = {m["name"]: m["operations"] for m in release.do("plan")["waiting"]}
    (one,) = waiting[string]
    assert [one["livable"], one["drops"]] == [False, []], "from NULL to NOT NULL"
    assert waiting[odd] == [
        {"what": "AddField", "livable": False, "drops": None, "reversible": True}
    ]


ODD = """
class AddField:
    reversible = True
    def describe(self):
        raise KeyError("what it is")
    def state_forwards(self, app_label, state):
        pass

def Odd():
    return AddField()
"""


@with_the_newest
def test_an_app_that_a_router_keeps_out(release: Release) -> None:
    known = release.do("apply")["applied"]
    added = release.add(
        f'migrations.CreateModel("Act", [{ID}])',
        "migrations.RunPython(nothing, nothing)",
        f'migrations.AddField("Show", "extra", {NULLABLE})',
    )
    release.execute("INSERT INTO shop_show (title) VALUES ('Hamlet')")
    release.write("project/routers.py", ROUTER)
    settings = SETTINGS.replace("WHERE", str(release.database))
    release.write(
        "project/settings.py", settings + 'DATABASE_ROUTERS = ["project.routers.Router"]\n'
    )
    release.do("apply")
    (found,) = release.do("plan", known=known)["ahead"]
    assert found["name"] == added
    assert [(o["livable"], o["drops"]) for o in found["operations"]] == [(True, [])] * 3
    assert release.execute("SELECT name FROM sqlite_master WHERE name = 'shop_act'") == []


@with_the_newest
def test_a_squash_is_neither_ahead_nor_reversed(release: Release) -> None:
    """Not even one that was not recorded: what was applied after it goes, and no table does."""
    release.add(f'migrations.AddField("Show", "extra", {NULLABLE})')
    known = release.do("apply")["applied"]
    squash = HEAD.format(
        after=[],
        operations=f'{INITIAL}, migrations.AddField("Show", "extra", {NULLABLE}), '
        'migrations.RenameField("Show", "seats", "chairs"), '
        'migrations.RenameField("Show", "chairs", "seats")',
    )
    squash += '    replaces = [("shop", "0001_initial"), ("shop", "0002_next")]\n'
    release.write("shop/migrations/0001_squashed_0002_next.py", squash)
    release.names.append("0001_squashed_0002_next")
    release.write(
        "shop/migrations/0003_later.py",
        HEAD.format(
            after=[("shop", "0001_squashed_0002_next")],
            operations=f'migrations.AddField("Show", "more", {NULLABLE})',
        ),
    )
    assert release.do("apply")["applied"] == ["shop.0003_later", "shop.0001_squashed_0002_next"]
    release.execute("DELETE FROM django_migrations WHERE name LIKE '%squashed%'")
    release.execute("INSERT INTO shop_show (title) VALUES ('Hamlet')")
    assert [m["name"] for m in release.do("plan", known=known)["ahead"]] == ["shop.0003_later"]
    done = release.do("reverse", reverse={"default": ["shop.0003_later"]})
    assert done["reversed"] == ["shop.0003_later"]
    assert release.execute("SELECT title FROM shop_show") == [("Hamlet",)]
    assert release.do("plan", known=known)["ahead"] == []


NULLABLE = "models.IntegerField(null=True)"
FILLED = 'UPDATE shop_show SET extra = 7 WHERE title = "Hamlet"'


CASES: list[tuple[str, str, bool, bool, Any]] = [
    (f'migrations.CreateModel("Act", [{ID}])', "", True, True, []),
    (
        f'migrations.CreateModel("Act", [{ID}])',
        "INSERT INTO shop_act (id) VALUES (1), (2)",
        True,
        True,
        [{"table": "shop_act", "column": "", "rows": 2}],
    ),
    (f'migrations.AddField("Show", "extra", {NULLABLE})', "", True, True, []),
    (
        f'migrations.AddField("Show", "extra", {NULLABLE})',
        FILLED,
        True,
        True,
        [{"table": "shop_show", "column": "extra", "rows": 1}],
    ),
    (
        'migrations.AddField("Show", "extra", models.IntegerField(default=0))',
        "",
        False,
        True,
        [],
    ),
    (
        'migrations.AddField("Show", "extra", models.IntegerField(default=0))',
        FILLED,
        False,
        True,
        [{"table": "shop_show", "column": "extra", "rows": 1}],
    ),
    (
        'migrations.AddField("Show", "extra", models.CharField(max_length=9, blank=True))',
        "",
        False,
        True,
        [],
    ),
    (
        'migrations.AddField("Show", "extra", models.IntegerField(db_default=0, default=0))',
        "",
        True,
        True,
        [],
    ),
    (
        'migrations.AddField("Show", "others", models.ManyToManyField("shop.Show"))',
        "",
        True,
        True,
        [],
    ),
    ('migrations.RemoveField("Show", "seats")', "", False, True, []),
    ('migrations.RemoveField("Show", "title")', "", False, False, []),
    ('migrations.RemoveField("Show", "title")', "DELETE FROM shop_show", False, True, []),
    ('migrations.RenameField("Show", "seats", "chairs")', "", False, True, []),
    ('migrations.RenameModel("Show", "Play")', "", False, True, []),
    ('migrations.DeleteModel("Show")', "", False, True, []),
    (
        'migrations.AddIndex("Show", models.Index(fields=["title"], name="by_title"))',
        "",
        True,
        True,
        [],
    ),
    (
        'migrations.AddConstraint("Show", models.UniqueConstraint(fields=["title"], name="one"))',
        "",
        False,
        True,
        [],
    ),
    ('migrations.AlterModelOptions("Show", {"ordering": ["title"]})', "", True, True, []),
    ('migrations.AlterUniqueTogether("Show", {("title", "seats")})', "", False, True, []),
    (
        'migrations.AlterField("Show", "title", models.CharField(max_length=90))',
        "",
        True,
        True,
        [],
    ),
    (
        'migrations.AlterField("Show", "title", models.CharField(max_length=9))',
        "",
        False,
        True,
        [],
    ),
    (
        'migrations.AlterField("Show", "title", '
        'models.CharField(max_length=50, help_text="x", default="y"))',
        "",
        True,
        True,
        [],
    ),
    (
        'migrations.AlterField("Show", "title", models.CharField(max_length=50, null=True))',
        "",
        True,
        True,
        [],
    ),
    (
        'migrations.AlterField("Show", "seats", models.BigIntegerField(null=True))',
        "",
        True,
        True,
        [],
    ),
    (
        'migrations.AlterField("Show", "seats", models.IntegerField(default=0))',
        "",
        False,
        True,
        [],
    ),
    (
        'migrations.AlterField("Show", "seats", models.TextField(null=True))',
        "",
        False,
        True,
        None,
    ),
    ("migrations.RunPython(nothing)", "", True, False, []),
    ("migrations.RunPython(nothing, nothing)", "", True, True, []),
    (
        'migrations.RunSQL("CREATE INDEX i ON shop_show (title)", "DROP INDEX i")',
        "",
        True,
        True,
        [],
    ),
    (
        'migrations.RunSQL("ALTER TABLE shop_show ADD COLUMN raw integer", '
        '"ALTER TABLE shop_show DROP COLUMN raw")',
        "",
        False,
        True,
        None,
    ),
    ('migrations.RunSQL("/* a; b */ UPDATE shop_show SET seats = 1")', "", True, False, []),
    (
        'migrations.SeparateDatabaseAndState(state_operations=[migrations.AddField("Show", '
        '"extra", models.IntegerField(default=0))])',
        "",
        True,
        True,
        [],
    ),
]


class Judged:
    """What is said of all CASES, each in an app of its own: four Django starts, and not 128."""

    def __init__(self, release: Release) -> None:
        labels = [f"shop{number}" for number in range(len(CASES))]
        apps = ", ".join(f'"{label}"' for label in labels)
        release.write(
            "project/settings.py",
            SETTINGS.replace("WHERE", str(release.database)).replace('"shop"', apps),
        )
        for label in labels:
            release.write(f"{label}/__init__.py", "")
            release.write(f"{label}/migrations/__init__.py", "")
            first = HEAD.format(after=[], operations=INITIAL)
            release.write(f"{label}/migrations/0001_initial.py", first)
        known = release.do("apply")["applied"]
        for label, (operation, *_) in zip(labels, CASES):
            release.execute(
                f"INSERT INTO {label}_show (title, seats) VALUES ('Hamlet', 1), ('Macbeth', 2)"
            )
            text = HEAD.format(after=[(label, "0001_initial")], operations=of(label, operation))
            release.write(f"{label}/migrations/0002_next.py", text)
        assert "failure" not in release.do("apply")
        for label, (_, sql, *_) in zip(labels, CASES):
            if sql:
                release.execute(of(label, sql))
        ahead = release.do("plan", known=known)["ahead"]
        assert len(ahead) == len(CASES)
        self.ahead = {migration["name"]: migration["operations"] for migration in ahead}
        back = [f"{label}.0002_next" for label, case in zip(labels, CASES) if case[3]]
        self.reversed = release.do("reverse", reverse={"default": back})["reversed"]


def of(label: str, text: str) -> str:
    """An operation or a statement, with an app's label where it has the one of ``shop``."""
    return re.sub(r"\bshop(?=[._])", label, text)


@pytest.fixture(scope="module")
def judged(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return Judged(Release(prepared_app(tmp_path_factory.mktemp("judged")), venv))


@with_the_newest
@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_what_an_older_release_makes_of_it(judged: Judged, number: int) -> None:
    _, _, livable, reversible, drops = CASES[number]
    name = f"shop{number}.0002_next"
    (found,) = judged.ahead[name]
    expected = json.loads(json.dumps(drops).replace("shop_", f"shop{number}_"))
    assert [found["livable"], found["reversible"], found["drops"]] == [
        livable,
        reversible,
        expected,
    ]
    assert (name in judged.reversed) == reversible
