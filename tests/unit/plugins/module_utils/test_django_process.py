"""The one Django start of a deploy, with real Djangos: the way the module manage starts it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _django_process
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database import traits
from ansible_collections.greenroom.django.plugins.module_utils._django import start_django
from ansible_collections.greenroom.django.plugins.module_utils._environment import dump_environment
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

from tests.unit.conftest import with_the_newest

NUMBER = 7

SETTINGS = """
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["localhost"]
INSTALLED_APPS = ["django.contrib.staticfiles", "shop"]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
STATIC_ROOT = "assembled"
USE_TZ = True
with open(BASE_DIR / "starts", "a") as starts:
    starts.write("x")
print("hello from the settings")
"""
WSGI = """
import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_wsgi_application()
"""
MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = {after}
    operations = [migrations.CreateModel("{name}", [("id", models.BigAutoField(primary_key=True))])]
"""
PROJECT = {
    "project/__init__.py": "",
    "project/settings.py": SETTINGS,
    "project/urls.py": "urlpatterns = []",
    "project/wsgi.py": WSGI,
    "shop/__init__.py": "",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": MIGRATION.format(after="[]", name="Old"),
    "shop/migrations/0002_more.py": MIGRATION.format(
        after='[("shop", "0001_initial")]', name="New"
    ),
    "shop/static/shop/a.css": "a {}",
    "shop/static/shop/b.css": "b {}",
}


class Release:
    """Release 7 of the app, as it is once its virtualenv is there."""

    def __init__(self, app: App, venv: Path) -> None:
        self.app, self.tree = app, Path(app.release(NUMBER))
        self.static = Path(app.backstage(NUMBER)) / "public/static"
        self.static.mkdir(parents=True)
        for name, content in PROJECT.items():
            self.write(name, content)
        os.symlink(os.path.join(app.shared, "db.sqlite3"), self.tree / "db.sqlite3")
        os.symlink(venv, self.tree / ".venv")
        self.environment({"SECRET_KEY": "only for this test, and fifty characters and more long"})

    def write(self, name: str, content: str) -> None:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def environment(self, variables: dict[str, str]) -> None:
        Path(self.app.environment(NUMBER)).write_text(dump_environment(variables))

    def do(
        self,
        *steps: str,
        databases: tuple[str, ...] = ("default",),
        wsgi: str = "",
        ahead: bool = False,
        database: str = "sqlite",
        hosts: int = 1,
        may_debug: bool = True,
        local_settings: str = "",
        squashes: dict[str, list[str]] | None = None,
    ) -> Any:
        manifest = {"directory": ".", "settings_module": "project.settings"}
        request = {
            "steps": steps,
            "databases": databases,
            "tree": str(self.tree),
            "static_root": str(self.static),
            "static_url": "/static/",
            "wsgi": wsgi,
            "may_be_ahead": ahead,
            "database": database,
            "hosts": hosts,
            "may_debug": may_debug,
            "local_settings": local_settings,
            "squashes": squashes or {},
        }
        return start_django(self.app, NUMBER, manifest, request, timeout=60)

    def refused(self, *steps: str, **more: Any) -> str:
        with pytest.raises(GreenroomError) as refused:
            self.do(*steps, **more)
        return str(refused.value)


@pytest.fixture
def release(app: App, venv: Path) -> Release:
    return Release(app, venv)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_all_steps_in_one_start_and_nothing_twice(release: Release) -> None:
    found = release.do("collectstatic", "check", "migrate")
    assert (release.tree / "starts").read_text() == "x"
    warnings, version = found.pop("warnings"), found.pop("django")
    assert found == {
        "static_root": str(release.tree / "assembled"),
        "static_app": True,
        "static_url": "/static/",
        "wsgi": "project.wsgi:application",
        "debug": False,
        "done": ["collectstatic", "check", "migrate"],
        "collected": f"2 static files copied to '{release.static}'.",
        "unlisted": [],
        "waiting": {"default": ["shop.0001_initial", "shop.0002_more"]},
        "migrations": ["shop.0001_initial", "shop.0002_more"],
        "ahead": [],
        "squashes": {},
    }
    assert version[0].isdigit()
    (one,) = [warning for warning in warnings if "W001" in warning]  # for deployment alone
    assert one.startswith("(security.W001) You do not have ")
    assert "\n" not in one
    assert files(release.static) == ["shop/a.css", "shop/b.css"]

    again = release.do("collectstatic", "migrate")
    assert again["waiting"] == found["waiting"], "they are only looked at"
    assert again["collected"].startswith("0 static files copied")
    assert "warnings" not in again

    later = release.do("migrate", "check")
    assert later["done"] == ["migrate"], "a check that comes after it wants them applied"
    assert "warnings" not in later


GUARDED = """
import sys
from pathlib import Path
from django.apps import AppConfig

class Config(AppConfig):
    name = "shop"

    def ready(self):
        with open("argv", "a") as file:
            file.write(" ".join(list(sys.argv)) + "\\n")
        if len(sys.argv) < 2 or sys.argv[1] not in ("collectstatic", "check", "migrate"):
            raise RuntimeError("there is no table yet")
"""


def test_an_app_that_looks_at_what_manage_py_is_to_do(release: Release) -> None:
    """It gets what it would get from manage.py, and each step a start of its own."""
    release.write("shop/apps.py", GUARDED)
    release.write("project/settings.py", SETTINGS.replace('"shop"]', '"shop.apps.Config"]'))
    every = ["collectstatic", "check", "migrate"]
    for number, step in enumerate(every):
        assert release.do(*every[number:])["done"] == [step]
    release.do()
    assert (release.tree / "argv").read_text().splitlines() == [
        "manage.py collectstatic --noinput",
        "manage.py check --deploy",
        "manage.py migrate --noinput",
        "manage.py migrate --noinput",
    ]


def test_each_database_has_its_own_that_wait(release: Release) -> None:
    other = os.path.join(release.app.shared, "archive.sqlite3")
    release.write(
        "project/settings.py",
        SETTINGS + f'DATABASES["archive"] = {{**DATABASES["default"], "NAME": "{other}"}}\n',
    )
    had(other, "shop.0001_initial")
    assert release.do("migrate", databases=("default", "archive"))["waiting"] == {
        "default": ["shop.0001_initial", "shop.0002_more"],
        "archive": ["shop.0002_more"],
    }


def had(database: str, *migrations: str) -> None:
    """Have a database remember migrations that were applied to it."""
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS django_migrations "
            "(id integer PRIMARY KEY, app text, name text, applied datetime)"
        )
        connection.executemany(
            "INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, '2026-01-01')",
            [name.split(".") for name in migrations],
        )
    connection.close()


@with_the_newest
def test_settings_that_do_not_use_the_database_that_was_made(release: Release) -> None:
    said = release.refused("check", database="postgresql")
    assert said.startswith(
        "app_database is 'postgresql', and DATABASES of the settings has django.db.backends.sqlite3"
    )
    assert "DATABASE_URL" in said


@with_the_newest
def test_hosts_that_would_each_have_a_database(release: Release) -> None:
    said = release.refused("check", hosts=3)
    assert said.startswith("The database 'default' is the SQLite file /")
    assert "has 3 hosts: each would have one of its own" in said
    assert "app_database: postgresql" in said
    release.do("check", hosts=1)
    release.do("check", hosts=3, databases=())  # one that nobody migrates is the app's own affair


@with_the_newest
def test_a_database_that_is_ahead_is_refused(release: Release) -> None:
    database = os.path.join(release.app.shared, "db.sqlite3")
    had(database, "shop.0001_initial", "shop.0002_more", "shop.0003_later", "gone.0001_initial")
    said = release.refused("migrate")
    assert said.startswith(
        "The database 'default' is ahead of this revision, which does not have shop.0003_later. "
    )
    assert "-e allow_database_ahead=true" in said
    allowed = release.do("migrate", ahead=True)
    assert [allowed["waiting"], allowed["ahead"]] == [{"default": []}, ["shop.0003_later"]]


SQUASHED = """
from django.db import migrations, models

ID = ("id", models.BigAutoField(primary_key=True))

class Migration(migrations.Migration):
    {replaces}
    operations = [migrations.CreateModel("Old", [ID]), migrations.CreateModel("New", [ID])]
"""


def test_a_squash_that_is_finished(release: Release) -> None:
    """As Django's documentation has it: with the old files, then without them and ``replaces``."""
    database = os.path.join(release.app.shared, "db.sqlite3")
    old = ["shop.0001_initial", "shop.0002_more"]
    had(database, *old)
    squash = "shop.0001_squashed_0002_more"
    file = "shop/migrations/0001_squashed_0002_more.py"
    replaces = 'replaces = [("shop", "0001_initial"), ("shop", "0002_more")]'
    release.write(file, SQUASHED.format(replaces=replaces))
    first = release.do("migrate")
    assert [first["waiting"], first["squashes"]] == [{"default": []}, {squash: old}]
    assert first["migrations"] == [*old[:1], squash, *old[1:]]

    for name in ("0001_initial", "0002_more"):
        (release.tree / f"shop/migrations/{name}.py").rename(release.tree / f"{name}.kept")
    release.write(file, SQUASHED.format(replaces=""))
    second = release.do("migrate", squashes=first["squashes"])
    assert [second["waiting"], second["ahead"]] == [{"default": []}, []]
    assert second["migrations"] == first["migrations"]
    assert second["squashes"] == first["squashes"], "for the day when the first one is pruned"

    (release.tree / file).unlink()  # back to code from before it
    for name in ("0001_initial", "0002_more"):
        (release.tree / f"{name}.kept").rename(release.tree / f"shop/migrations/{name}.py")
    assert release.do("migrate", squashes=first["squashes"])["ahead"] == []


NOTHING_TO_COLLECT = {
    "no STATIC_ROOT": "STATIC_ROOT = None\n",
    "an empty one": 'STATIC_ROOT = ""\n',
    "no staticfiles": 'INSTALLED_APPS = ["shop"]\n',
}


@with_the_newest
@pytest.mark.parametrize("more", NOTHING_TO_COLLECT.values(), ids=NOTHING_TO_COLLECT.keys())
def test_nothing_to_collect(release: Release, more: str) -> None:
    release.write("project/settings.py", SETTINGS + more)
    assert release.do("collectstatic")["collected"] is None
    assert files(release.static) == []


@with_the_newest
def test_what_the_repository_tracks_below_static_root_is_part_of_it(release: Release) -> None:
    release.write("assembled/tracked.txt", "x")
    release.do("collectstatic")
    assert files(release.static) == ["shop/a.css", "shop/b.css", "tracked.txt"]


MANIFEST_STORAGE = """
STORAGES = {"staticfiles": {
    "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
}}
"""
USES_ITS_STORAGE = """
from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

assert settings.STATIC_ROOT == "assembled", settings.STATIC_ROOT
staticfiles_storage.path("shop/a.css")
"""
USES_THE_MANIFEST = """
from django.templatetags.static import static

assert static("shop/a.css").startswith("/static/shop/a."), static("shop/a.css")
urlpatterns = []
"""


def test_an_app_that_uses_its_storage_when_it_is_loaded(release: Release) -> None:
    """The project's STATIC_ROOT is what it finds in each start; and is collected all the same."""
    release.write("project/settings.py", SETTINGS + MANIFEST_STORAGE)
    release.write("shop/models.py", USES_ITS_STORAGE)
    release.write("project/urls.py", USES_THE_MANIFEST)
    found = release.do("collectstatic", "check")
    assert [found["collected"][:8], found["static_root"]] == [
        "2 static",
        str(release.tree / "assembled"),
    ]
    assert "staticfiles.json" in files(release.static)
    os.symlink(release.static, release.tree / "assembled")
    release.do("check", "migrate")
    release.do()


@with_the_newest
def test_files_of_the_repository_that_no_manifest_lists(release: Release) -> None:
    release.write("assembled/app.js", "x")
    release.write("assembled/shop/a.css", "a {}")
    assert release.do("collectstatic")["unlisted"] == [], "only a manifest misses them"
    release.write("project/settings.py", SETTINGS + MANIFEST_STORAGE)
    assert release.do("collectstatic")["unlisted"] == ["app.js"]


@with_the_newest
def test_the_settings_see_every_variable_byte_for_byte(release: Release) -> None:
    odd = "-----BEGIN\n{\"a\": '$HOME'} # \\ `x`\t\n-----END\n "
    release.environment({"SECRET_KEY": "x" * 50, "ODD": odd, "EMPTY": ""})
    release.write(
        "project/settings.py",
        SETTINGS + '(BASE_DIR / "seen").write_text(os.environ["ODD"] + os.environ["EMPTY"])\n',
    )
    release.do()
    assert (release.tree / "seen").read_text() == odd


def db(name: str, engine: str = "django.db.backends.sqlite3") -> str:
    return f'DATABASES["default"] = {{"ENGINE": "{engine}", "NAME": {name}}}\n'


SQLITE = "django.db.backends.sqlite3"


@pytest.mark.parametrize(
    ("engine", "name", "file"),
    [
        (SQLITE, "/a/b.sqlite3", "/a/b.sqlite3"),
        (SQLITE, "/a/../b c.sqlite3", "/b c.sqlite3"),
        (SQLITE, Path("/a/b.sqlite3"), "/a/b.sqlite3"),
        ("django.contrib.gis.db.backends.spatialite", "/a/b.db", "/a/b.db"),
        ("django_prometheus.db.backends.sqlite3", "/a/b.db", "/a/b.db"),
        (SQLITE, "file:/a/b%20c.sqlite3?mode=rwc", "/a/b c.sqlite3"),
        (SQLITE, "file:///a/b.sqlite3", "/a/b.sqlite3"),
        (SQLITE, ":memory:", ""),
        (SQLITE, "file::memory:?cache=shared", ""),
        (SQLITE, "file:a?mode=memory", ""),
        (SQLITE, "", ""),
        (SQLITE, None, ""),
        ("django.db.backends.postgresql", "/a/b", ""),
        ("", "/a/b", ""),
    ],
)
def test_which_file_a_database_is(engine: str, name: Any, file: str) -> None:
    assert _django_process.file_of({"ENGINE": engine, "NAME": name}, traits()) == (
        file,
        "SQLite" if file else "",
    )


ALTOGETHER_FINE = {
    "outside the tree": db('"/srv/elsewhere.sqlite3"'),
    "a link to what outlives": db('BASE_DIR / "db.sqlite3"'),
    "in memory": db('":memory:"'),
    "in memory, by an address": db('"file:x?mode=memory&cache=shared"'),
    "none at all": "DATABASES = {}\n",
}


@with_the_newest
@pytest.mark.parametrize("more", ALTOGETHER_FINE.values(), ids=ALTOGETHER_FINE.keys())
def test_a_database_that_may_be(release: Release, more: str) -> None:
    release.write("project/settings.py", SETTINGS + more)
    assert release.do()["debug"] is False


IN_THE_TREE = {
    "a path": 'BASE_DIR / "data/db.sqlite3"',
    "relative": '"data/db.sqlite3"',
    "by an address": '"file:" + str(BASE_DIR / "data/db.sqlite3") + "?cache=shared"',
}


@with_the_newest
@pytest.mark.parametrize("name", IN_THE_TREE.values(), ids=IN_THE_TREE.keys())
def test_an_sqlite_file_in_the_tree_is_refused(release: Release, name: str) -> None:
    release.write("project/settings.py", SETTINGS + db(name))
    assert release.refused("migrate") == (
        "The database 'default' is the SQLite file data/db.sqlite3 inside the release's tree, so "
        "every release would start with an empty one. Make it outlive the release: "
        "app_shared_paths: [..., data/db.sqlite3]"
    )
    assert not (release.tree / "data").exists()


@with_the_newest
def test_one_in_the_virtualenv_is_refused_too(release: Release) -> None:
    release.write("project/settings.py", SETTINGS + db('BASE_DIR / ".venv/db.sqlite3"'))
    assert "/db.sqlite3 inside the release's virtualenv, so every" in release.refused("migrate")


CHECKS = """
from django.core import checks

@checks.register
def found(**_):
    return [checks.Info("an aside"), checks.Warning("a draught", id="shop.W1"), checks.Debug("x")]
"""


@with_the_newest
def test_warnings_of_the_check(release: Release) -> None:
    """Those that the settings silence are not shown, and what is no warning neither."""
    release.write("shop/__init__.py", CHECKS)
    release.write("project/settings.py", SETTINGS + 'SILENCED_SYSTEM_CHECKS = ["security.W001"]\n')
    warnings = release.do("check")["warnings"]
    assert "(shop.W1) a draught" in warnings
    assert [line for line in warnings if "W001" in line or "aside" in line or line == "x"] == []


@with_the_newest
def test_debug(release: Release) -> None:
    """Refused on live, whatever the steps are; elsewhere it is told apart from the warnings."""
    release.write("project/settings.py", SETTINGS + "DEBUG = True\n")
    found = release.do("check")
    assert found["debug"] is True
    assert "security.W018" not in "".join(found["warnings"])
    for step in ("check", "migrate"):
        assert release.refused(step, may_debug=False) == (
            "DEBUG is on in the settings, and this is live: whoever causes an error there would be "
            "shown the code and its variables. Have the settings turn it off: DEBUG = False."
        )


@with_the_newest
def test_local_settings_that_nobody_imports(release: Release) -> None:
    release.write("project/local.py", "TITLE = 'here'\n")
    assert "unread" not in release.do()
    assert release.do(local_settings="project/local.py")["unread"] == "project/local.py"
    release.write("project/settings.py", SETTINGS + "from .local import *\n")
    assert release.do(local_settings="project/local.py")["unread"] == ""


STATIC = "Each release needs a folder inside its tree for the static files that are collected"
REFUSED: dict[str, tuple[dict[str, str], str, Callable[[Release], str]]] = {
    "wsgi.py sets other settings": (
        {
            "project/wsgi.py": WSGI.replace(".setdefault(", ".__setitem__(").replace(
                ".settings", ".x"
            )
        },
        "check",
        lambda _: (
            "Importing project.wsgi set DJANGO_SETTINGS_MODULE to 'project.x' where "
            "'project.settings' was meant. Use os.environ.setdefault() there, or don't use that "
            'file: app_wsgi: "django.core.wsgi:get_wsgi_application()"'
        ),
    ),
    "no wsgi.py": (
        {"project/settings.py": SETTINGS + 'WSGI_APPLICATION = "project.web.application"\n'},
        "check",
        lambda _: "There is no module project.web, which app_wsgi or WSGI_APPLICATION",
    ),
    "a check that finds an error": (
        {
            "shop/__init__.py": "from django.core import checks\n@checks.register\n"
            'def bad(**_): return [checks.Error("the till is open", "close it", id="shop.E1")]'
        },
        "check",
        lambda _: (
            "manage.py check --deploy found errors:\n(shop.E1) the till is open HINT: close it"
        ),
    ),
    "STATIC_ROOT has the code in it": (
        {"project/settings.py": SETTINGS + "STATIC_ROOT = BASE_DIR\n"},
        "collectstatic",
        lambda r: f"STATIC_ROOT is {r.tree}, and the code is in there too, such as that of ",
    ),
    "STATIC_ROOT is outside": (
        {"project/settings.py": SETTINGS + 'STATIC_ROOT = "/srv/static"\n'},
        "collectstatic",
        lambda _: f"STATIC_ROOT is /srv/static, and that is outside the release's tree. {STATIC}",
    ),
    "STATIC_URL is another path": (
        {"project/settings.py": SETTINGS + 'STATIC_URL = "/assets/"\n'},
        "collectstatic",
        lambda _: (
            "STATIC_URL is /assets/, and the web server serves the static files below "
            "/static/. Set app_static_url: /assets/ and run site.yml"
        ),
    ),
}


@with_the_newest
@pytest.mark.parametrize(("changes", "step", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_would_go_wrong_later_is_refused_now(
    release: Release, changes: dict[str, str], step: str, said: Callable[[Release], str]
) -> None:
    for name, content in changes.items():
        release.write(name, content)
    assert release.refused(step).startswith(said(release))


@with_the_newest
def test_a_database_that_the_settings_do_not_have(release: Release) -> None:
    assert release.refused("migrate", databases=("archive",)) == (
        "app_databases names 'archive'; the settings have default."
    )


@pytest.mark.parametrize("databases", ["{}", '{"default": {}}', '{"default": {"ENGINE": ""}}'])
def test_an_app_without_a_database(release: Release, databases: str) -> None:
    apps = 'INSTALLED_APPS = ["django.contrib.staticfiles"]\n'
    release.write("project/settings.py", f"{SETTINGS}{apps}DATABASES = {databases}\n")
    assert release.refused("collectstatic", "check", "migrate").startswith(
        "app_databases names 'default', and DATABASES of the settings has no engine for it. An app "
        "without a database wants app_databases: []."
    )
    answer = release.do("collectstatic", "check", "migrate", databases=())
    assert answer["done"] == ["collectstatic", "check", "migrate"]


def test_no_wsgi_application_is_djangos_own(release: Release) -> None:
    release.write("project/settings.py", SETTINGS + "WSGI_APPLICATION = None\n")
    assert release.do("check")["wsgi"] == "django.core.wsgi:get_wsgi_application()"
    assert (
        release.do("check", wsgi="project.wsgi:application")["wsgi"] == "project.wsgi:application"
    )


@with_the_newest
@pytest.mark.parametrize(
    ("code", "exit_code"), [('raise KeyError("the till")', 1), ('exit("the till is open")', 1)]
)
def test_the_apps_own_words_are_shown(release: Release, code: str, exit_code: int) -> None:
    release.write("project/wsgi.py", f"print('opening')\n{code}\n")
    said = release.refused("check", "migrate")
    assert said.startswith(
        f"Django did not get through check, migrate of release 7 (exit {exit_code}). The app's own "
        "words:\nhello from the settings\n"
    )
    assert "the till" in said.splitlines()[-1]
