"""Where a project keeps its things: manage.py, settings, data, databases, and its WSGI callable."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from project import HOME, MANAGE, SETTINGS, SITE, URLS, WSGI, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

# A second database, with a model and migrations of its own, in a folder that the repository seeds;
# and a check that wants a folder to be there.
ARCHIVE = {
    "src/data/seed.txt": "from the repository\n",
    "src/data/inner/deep.txt": "further down\n",
    "src/archive/__init__.py": "",
    "src/archive/migrations/__init__.py": "",
    "src/archive/migrations/0001_initial.py": """\
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Paper", [("id", models.BigAutoField(primary_key=True))])]
""",
    "src/archive/models.py": """\
from django.db import models


class Paper(models.Model):
    pass
""",
    "src/archive/apps.py": """\
from django.apps import AppConfig
from django.core import checks


class ArchiveConfig(AppConfig):
    name = "archive"

    def ready(self):
        checks.register(cache_is_there)


def cache_is_there(app_configs, **options):
    from django.conf import settings

    there = (settings.BASE_DIR / "var" / "cache").is_dir()
    return [] if there else [checks.Error("the folder var/cache is missing", id="archive.E001")]
""",
    "src/archive/router.py": """\
class Router:
    def db_for_read(self, model, **hints):
        return "archive" if model._meta.app_label == "archive" else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "archive") == (app_label == "archive")
""",
    "src/config/urls.py": URLS
    + """
from archive.models import Paper


def archive(request):
    data = settings.BASE_DIR / "data"
    if "paper" in request.GET:
        Paper.objects.create()
    if "line" in request.GET:
        with open(data / "seed.txt", "a") as file:
            file.write(request.GET["line"] + "\\n")
    return JsonResponse({
        "papers": Paper.objects.count(),
        "seed": (data / "seed.txt").read_text(),
        "deep": (data / "inner" / "deep.txt").read_text(),
    })


urlpatterns.append(path("archive/", archive))
""",
}

ARCHIVE_SETTINGS = """
INSTALLED_APPS += ["archive.apps.ArchiveConfig"]
DATABASE_ROUTERS = ["archive.router.Router"]
DATABASES["archive"] = {**DATABASES["default"], "NAME": BASE_DIR / "data" / "archive.db"}
"""

IN_SRC: dict[str, Any] = {
    "app_manage": "src/manage.py",
    "app_shared_paths": ["media/", "src/db.sqlite3", "src/data", "src/var/cache/"],
    "app_databases": ["default", "archive"],
}


def archive(project: Project, query: str = "") -> dict[str, str | int]:
    """What the page of the archive says."""
    answer = project.host.get(f"/archive/{query}")
    assert answer.status == 200, answer.text
    found: dict[str, str | int] = json.loads(answer.text)
    return found


# -- manage.py in src/, data of many kinds ---------------------------------------------------------


def test_a_manage_py_that_is_elsewhere_is_told(project: Project) -> None:
    project.commit(ARCHIVE, settings=ARCHIVE_SETTINGS, within="src/")
    assert "app_manage is 'manage.py', which is not a file in revision" in project.refuse()


def test_a_folder_that_check_wants_can_be_there_first(project: Project) -> None:
    without = [path for path in IN_SRC["app_shared_paths"] if path != "src/var/cache/"]
    said = project.refuse(**{**IN_SRC, "app_shared_paths": without})
    assert "the folder var/cache is missing" in said
    project.deploy(**IN_SRC)
    assert project.serving()


def test_manage_py_in_src(project: Project) -> None:
    page = project.page()
    assert page["settings_file"] == f"{HOME}/releases/{project.serving()}/src/config/settings.py"
    assert project.host.get(page["css"]).text == "body { color: #123456 }\n"


def test_a_second_database_is_migrated_apart(project: Project) -> None:
    assert archive(project, "?paper=1")["papers"] == 1
    tables = "select name from sqlite_master where type = 'table'"
    of_default, of_archive = (
        [name for (name,) in project.sql(tables, f"src/{file}")]
        for file in ("db.sqlite3", "data/archive.db")
    )
    assert "notes_note" in of_default
    assert "archive_paper" not in of_default
    assert "archive_paper" in of_archive
    assert "notes_note" not in of_archive


def test_a_tracked_folder_is_seeded_from_the_repository(project: Project) -> None:
    assert archive(project)["seed"] == "from the repository\n"
    assert archive(project)["deep"] == "further down\n"


def test_data_outlive_a_release_and_a_rollback(project: Project) -> None:
    assert project.host.get("/add/?text=kept").status == 204
    archive(project, "?line=written")
    first = project.serving()
    # The repository's own copy changes. It seeds once, and what was written since then stays.
    changed = {"src/data/seed.txt": "another\n"}
    project.commit({**ARCHIVE, **changed}, settings=ARCHIVE_SETTINGS, within="src/")
    project.deploy(**IN_SRC)
    for serving in (first + 1, first):
        assert project.serving() == serving
        assert project.page()["notes"] == ["kept"]
        assert archive(project)["papers"] == 1
        assert archive(project)["seed"] == "from the repository\nwritten\n"
        if serving != first:
            project.rollback()


# -- settings --------------------------------------------------------------------------------------


def test_settings_that_are_a_file_outside_the_tree(project: Project) -> None:
    project.host.shell("mkdir -p /etc/playbill-settings")
    outside = "from config.settings import *\n\nTITLE = 'from outside'\n"
    path = "/etc/playbill-settings/on_this_server.py"
    project.host.run(["tee", path], stdin=outside)
    project.commit()
    project.deploy(
        app_env={
            "PYTHONPATH": "/etc/playbill-settings",
            "DJANGO_SETTINGS_MODULE": "on_this_server",
        }
    )
    page = project.page()
    assert page["title"] == "from outside"
    assert page["settings"] == "on_this_server"
    assert page["settings_file"] == path


def test_settings_outside_that_are_not_there_are_told(project: Project) -> None:
    said = project.refuse(
        app_env={"PYTHONPATH": "/etc/playbill-settings", "DJANGO_SETTINGS_MODULE": "elsewhere"}
    )
    assert "No module named 'elsewhere'" in said


# -- the WSGI callable -----------------------------------------------------------------------------

OTHER = {"config/other.py": "from config.settings import *\n\nTITLE = 'the other'\n"}


def test_a_wsgi_py_that_sets_a_default_is_overruled(project: Project) -> None:
    assert 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")' in WSGI
    project.commit(OTHER)
    project.deploy(app_settings_module="config.other")
    assert project.page()["title"] == "the other"


def test_a_wsgi_py_that_insists_is_refused_with_the_way_out(project: Project) -> None:
    insists = 'os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"'
    default = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")'
    project.commit({**OTHER, "config/wsgi.py": WSGI.replace(default, insists)})
    said = project.refuse(app_settings_module="config.other")
    assert "config.wsgi set DJANGO_SETTINGS_MODULE to 'config.settings'" in said
    assert "'config.other' was meant" in said
    way_out = "django.core.wsgi:get_wsgi_application()"
    assert f'app_wsgi: "{way_out}"' in said
    project.deploy(app_settings_module="config.other", app_wsgi=way_out)
    assert project.page()["title"] == "the other"


def test_no_wsgi_py_at_all(project: Project) -> None:
    settings = SETTINGS.replace('WSGI_APPLICATION = "config.wsgi.application"', "TITLE = 'none'")
    project.commit({"config/settings.py": settings, "config/wsgi.py": None})
    project.deploy()
    assert project.page()["title"] == "none"


def test_a_wsgi_py_that_is_named_and_not_there_is_told(project: Project) -> None:
    project.commit({"config/wsgi.py": None})
    said = project.refuse()
    assert "WSGI_APPLICATION" in said
    assert "config.wsgi" in said
    assert "app_wsgi" in said


def test_a_callable_of_another_name(project: Project) -> None:
    entry = (
        "import os\n\nfrom django.core.wsgi import get_wsgi_application\n\n"
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")\n\n\n'
        "def app(environ, start_response):\n"
        "    inner = get_wsgi_application()\n"
        "    def answer(status, headers, *more):\n"
        '        return start_response(status, [*headers, ("X-Way", "entry")], *more)\n\n'
        "    return inner(environ, answer)\n"
    )
    project.commit({"entry.py": entry})
    project.deploy(app_wsgi="entry:app")
    assert project.host.get("/").headers["x-way"] == "entry"


# -- a manage.py that names no settings ------------------------------------------------------------


def test_a_manage_py_that_names_no_settings_is_told(project: Project) -> None:
    manage = MANAGE.replace('"config.settings"', 'os.environ["WHERE"]')
    project.commit({"manage.py": manage})
    said = project.refuse()
    assert "manage.py names no settings module: set app_settings_module" in said
    project.deploy(app_settings_module="config.settings")
    assert project.host.get("/", host_header=SITE).status == 200


def test_the_service_sees_nothing_but_its_own_tree_first(project: Project) -> None:
    """What gunicorn imports comes from the release that runs, not from the folder of another."""
    assert os.path.dirname(project.page()["settings_file"]) == f"{project.tree()}/config"
