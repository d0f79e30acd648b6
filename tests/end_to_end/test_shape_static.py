"""Static files: wherever STATIC_ROOT is, whatever builds them, and whoever serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from project import HOME, SETTINGS, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

PROJECTS = Path(__file__).parent / "projects"

CSS = "body { color: #123456 }\n"
FOR_EVER = "max-age=31536000"


def assert_css_is_served(project: Project) -> None:
    """Fail unless nginx itself serves the page's hashed CSS, to be kept for ever."""
    path = project.page()["css"]
    assert path.startswith("/static/notes/page."), path
    answer = project.host.get(path)
    assert (answer.status, answer.text) == (200, CSS)
    assert FOR_EVER in answer.headers["cache-control"]


# -- STATIC_ROOT -----------------------------------------------------------------------------------


def test_a_relative_static_root(project: Project) -> None:
    project.commit(settings='STATIC_ROOT = "collected/here"\n')
    project.deploy()
    assert_css_is_served(project)
    assert project.read("collected/here/notes/page.css") == CSS


def test_one_inside_a_package_that_is_tracked(project: Project) -> None:
    """What the repository tracks there is served too, beside what was collected."""
    settings = 'STATIC_ROOT = BASE_DIR / "config" / "assets"\n'
    project.commit(
        {"config/assets/extra.txt": "tracked\n", "config/assets/deep/er.txt": "too\n"},
        settings=settings,
    )
    project.deploy()
    assert_css_is_served(project)
    assert project.host.get("/static/extra.txt").text == "tracked\n"
    assert project.host.get("/static/deep/er.txt").text == "too\n"
    assert project.page()["settings_file"].endswith("/config/settings.py")


@pytest.mark.parametrize(
    ("static_root", "problem"),
    [
        ("BASE_DIR", "the code is in there too"),
        ('BASE_DIR / "config"', "the code is in there too"),
        ('"/"', "the code is in there too"),
        ('"/var/www/static"', "outside the release's tree"),
        ('BASE_DIR / "media" / "static"', "outside the release's tree"),
    ],
)
def test_one_that_holds_other_things_is_refused_without_harm(
    project: Project, static_root: str, problem: str
) -> None:
    before, used = project.page(), disk_used(project)
    project.commit(settings=f"STATIC_ROOT = {static_root}\n")
    said = project.refuse()
    assert "STATIC_ROOT is /" in said
    assert problem in said
    assert 'BASE_DIR / "staticfiles"' in said
    assert project.page() == before
    assert_css_is_served(project)
    assert project.host.get("/static/config/settings.py").status == 404
    assert project.host.shell(f"find {HOME}/releases {HOME}/shared -name settings.py | wc -l") == (
        # the two that served, and the one that failed last, each once
        "3\n"
    )
    assert disk_used(project) < used + 1024  # KiB


def disk_used(project: Project) -> int:
    """KiB that the app takes on the host."""
    return int(project.host.shell(f"du -sk {HOME}").split()[0])


def test_no_static_root_at_all(project: Project) -> None:
    project.commit(settings="STATIC_ROOT = None\n")
    project.deploy()
    assert project.page()["css"] is None
    assert project.host.shell(f"find {project.tree()}/.greenroom/public/ -type f") == ""
    project.rollback()
    assert_css_is_served(project)


def test_an_app_without_staticfiles(project: Project) -> None:
    settings = SETTINGS.replace('"django.contrib.staticfiles", ', "") + "TITLE = 'bare'\n"
    settings = settings.replace('STATIC_ROOT = BASE_DIR / "staticfiles"\n', "")
    project.commit({"config/settings.py": settings})
    project.deploy()
    assert project.page()["title"] == "bare"


def test_a_static_url_of_its_own(project: Project) -> None:
    """The web server must know it: else every page would be without its CSS, and answer 200."""
    project.commit(settings='STATIC_URL = "/assets/"\n')
    said = project.refuse()
    assert "app_static_url: /assets/" in said


# -- the order of steps ----------------------------------------------------------------------------

WANTS_MANIFEST = {
    "notes/apps.py": """\
from pathlib import Path

from django.apps import AppConfig
from django.core import checks


class NotesConfig(AppConfig):
    name = "notes"

    def ready(self):
        checks.register(manifest_is_there)


def manifest_is_there(app_configs, **options):
    from django.conf import settings

    there = Path(settings.STATIC_ROOT, "staticfiles.json").exists()
    return [] if there else [checks.Error("collectstatic has not run", id="notes.E001")]
"""
}
LAST = ["check", "migrate", "collectstatic"]


def test_a_check_that_wants_the_static_files_first(project: Project) -> None:
    project.commit(WANTS_MANIFEST)
    assert "collectstatic has not run" in project.refuse(app_django_steps=LAST)
    project.deploy()
    assert_css_is_served(project)


MODELS_WITH_COLOUR = {
    "notes/models.py": """\
from django.db import models


class Note(models.Model):
    text = models.TextField()
    colour = models.TextField(default="")
""",
    "notes/migrations/0002_colour.py": """\
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notes", "0001_initial")]
    operations = [migrations.AddField("Note", "colour", models.TextField(default="red"))]
""",
}


def test_static_files_that_want_the_database_first(project: Project) -> None:
    """The other way round: files that are made from what a migration put in the database."""
    finder = """\
from django.contrib.staticfiles.finders import BaseStorageFinder
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage


class FromTheDatabase(BaseStorageFinder):
    storage = InMemoryStorage

    def list(self, ignore_patterns):
        from notes.models import Note

        colours = ", ".join(Note.objects.values_list("colour", flat=True))
        self.storage.save("colours.txt", ContentFile(colours))
        return super().list(ignore_patterns)
"""
    files = {
        "notes/finder.py": finder,
        **MODELS_WITH_COLOUR,
    }
    settings = (
        'STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.AppDirectoriesFinder", '
        '"notes.finder.FromTheDatabase"]\n'
    )
    assert project.host.get("/add/?text=one").status == 204
    project.commit(files, settings=settings)
    assert "no such column: notes_note.colour" in project.refuse()
    project.deploy(app_django_steps=LAST)
    assert project.host.get("/static/colours.txt").text == "red"


# -- commands, and Node ----------------------------------------------------------------------------

FRONT_END = {
    **{path.name: path.read_text() for path in (PROJECTS / "npm").iterdir()},
    "build.js": """\
const fs = require("fs");
const isNumber = require("is-number");
const text = `// built: ${isNumber("7")} ${process.env.SHADE}\\n`;
fs.writeFileSync("notes/static/notes/built.js", text);
""",
    "notes/management/__init__.py": "",
    "notes/management/commands/__init__.py": "",
    "notes/management/commands/bundle.py": """\
import json
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--title")

    def handle(self, *args, title, **options):
        root = Path(settings.STATIC_ROOT)
        found = json.loads((root / "staticfiles.json").read_text())["paths"]["notes/built.js"]
        (root / "bundle.txt").write_text(f"{title}: {found}\\n")
""",
}
COMMANDS: dict[str, Any] = {
    "app_env": {"SHADE": "dark"},
    "app_commands_before_collectstatic": ["npm ci", "npm run build"],
    "app_commands_after_collectstatic": ["python manage.py bundle --title 'two words'"],
}


def test_a_command_that_is_not_on_the_host_is_told(project: Project) -> None:
    project.commit({**FRONT_END, **MODELS_WITH_COLOUR})
    said = project.refuse(**COMMANDS)
    assert "The command 'npm ci'" in said
    assert "npm is not on this host" in said


def test_node_of_the_distribution_builds_the_front_end(project: Project) -> None:
    project.provision(app_system_packages=["nodejs", "npm"])
    project.deploy(**COMMANDS)
    assert project.host.get("/static/notes/built.js").text == "// built: true dark\n"
    assert_css_is_served(project)


def test_commands_after_collectstatic_add_to_what_was_collected(project: Project) -> None:
    text = project.host.get("/static/bundle.txt").text
    title, _, hashed = text.strip().partition(": ")
    assert title == "two words"
    assert project.host.get(f"/static/{hashed}").text == "// built: true dark\n"


def test_the_service_cannot_write_what_was_built(project: Project) -> None:
    for path in ("staticfiles/bundle.txt", "notes/static/notes/built.js", "node_modules"):
        whole = f"{project.tree()}/{path}"
        assert project.host.run(["test", "-e", whole], user="playbill").returncode == 0
        write = project.host.run(["test", "-w", whole], user="playbill", check=False)
        assert write.returncode == 1, path


def test_a_command_that_fails_shows_its_own_words(project: Project) -> None:
    said = project.refuse(
        **{**COMMANDS, "app_commands_before_collectstatic": ["node -e 'throw Error(`oh no`)'"]}
    )
    assert "Error: oh no" in said
    assert "exit 1" in said


# -- who serves them -------------------------------------------------------------------------------


def test_an_app_that_serves_its_own_static_files(project: Project) -> None:
    files = {"requirements.txt": "django==5.2.18\nwhitenoise==6.9.0\n", **MODELS_WITH_COLOUR}
    settings = 'MIDDLEWARE.insert(1, "whitenoise.middleware.WhiteNoiseMiddleware")\n'
    project.commit(files, settings=settings)
    project.provision(web_server_serve_static=False)
    project.deploy(web_server_serve_static=False)
    path = project.page()["css"]
    answer = project.host.get(path)
    assert (answer.status, answer.text) == (200, CSS)
    assert (
        "max-age=315360000" in answer.headers["cache-control"]
    )  # WhiteNoise's way to say for ever


def test_what_nginx_no_longer_serves_is_the_app_s_to_answer(project: Project) -> None:
    answer = project.host.get("/static/no-such-file.css")
    assert answer.status == 404
    assert "x-content-type-options" in answer.headers  # of the app's security middleware
