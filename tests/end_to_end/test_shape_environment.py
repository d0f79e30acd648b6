"""Environment values that break naive files: the app gets each byte for byte, however started.

The values are compared as digests, taken from the process's own environment: by the service, by the
Django start of a deploy, and by the build commands before and after collectstatic.
"""

from __future__ import annotations

import hashlib
import json

import pytest
from project import Project

pytestmark = pytest.mark.extended

PEM = f"-----BEGIN PRIVATE KEY-----\n{25 * (8 * 'MIIEvQ+/' + chr(10))}-----END PRIVATE KEY-----\n"

VALUES = {
    "JSON": '{"key": "va\\"lue", "list": [1, null], "path": "C:\\\\temp\\n"}',
    "SINGLE_QUOTES": "it's 'quoted'",
    "DOUBLE_QUOTES": '"quoted" and "un',
    "DOLLARS": "$HOME ${PATH} $$ $(id) %n %% `id`",
    "HASH": "# no comment # at all",
    "HASH_AFTER_SPACE": "value #not a comment",
    "BACKSLASHES": "a\\b \\\\ \\n \\$ \\",
    "BACKSLASH_BEFORE_LINE_END": "first\\\nsecond",
    "PEM_KEY": PEM,
    "LINE_ENDS": '\n\nfirst\n\nOTHER=injected\n"\nsecond\n',
    "CRLF": "first\r\nsecond\r\n",
    "UNICODE": "žluťoučký kůň 🐎 \u2028 \ufeff \u00a0",
    "SPACES": "  both ends, and a tab \t ",
    "CONTROL": "bell \x07, escape \x1b[31m, delete \x7f",
    "EQUALS": "a=b=c&d;e,f",
    "BRACKETS": "[section] ; semicolon",
    "TRUE": "true",
    "NUMBER": "007",
    "PRESENT": "",
    "LONG": "x" * 60_000,
}

# What every process of the app does: note the digests of all of its environment.
DIGESTS = """\
import hashlib
import json
import os


def digests():
    return {
        os.fsdecode(name): hashlib.sha256(value).hexdigest() for name, value in os.environb.items()
    }


def write(path):
    with open(path, "w") as file:
        json.dump(digests(), file)
"""

FILES = {
    "notes/digests.py": DIGESTS,
    "notes/management/__init__.py": "",
    "notes/management/commands/__init__.py": "",
    "notes/management/commands/digests.py": """\
from django.core.management.base import BaseCommand

from notes.digests import write


class Command(BaseCommand):
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("path")

    def handle(self, *args, **options):
        write(options["path"])
""",
    "notes/apps.py": """\
from django.apps import AppConfig
from django.core import checks


class NotesConfig(AppConfig):
    name = "notes"

    def ready(self):
        checks.register(note)


def note(app_configs, **options):
    from django.conf import settings

    from notes.digests import write

    if (settings.BASE_DIR / "data").exists():
        write(settings.BASE_DIR / "data" / "check.json")
    return []
""",
    "config/urls.py": """\
from django.http import JsonResponse
from django.urls import path

from notes.digests import digests

urlpatterns = [path("", lambda request: JsonResponse(digests()))]
""",
}


@pytest.fixture(scope="module")
def project(project: Project) -> Project:
    """A release that runs with all of the values."""
    project.commit(FILES)
    project.deploy(
        app_env=VALUES,
        app_shared_paths=["media/", "db.sqlite3", "data/"],
        app_commands_before_collectstatic=["python manage.py digests before.json"],
        app_commands_after_collectstatic=["python manage.py digests after.json"],
    )
    return project


@pytest.fixture(scope="module", params=["the service", "check", "before.json", "after.json"])
def seen(request: pytest.FixtureRequest, project: Project) -> dict[str, str]:
    """The digests that one process of the app has seen."""
    if request.param == "the service":
        text = project.host.get("/").text
    else:
        text = project.read("data/check.json" if request.param == "check" else request.param)
    found: dict[str, str] = json.loads(text)
    return found


@pytest.mark.parametrize("name", VALUES)
def test_a_value_arrives_byte_for_byte(seen: dict[str, str], name: str) -> None:
    assert seen[name] == hashlib.sha256(VALUES[name].encode()).hexdigest()


def test_nothing_in_a_value_becomes_a_variable(seen: dict[str, str]) -> None:
    assert "OTHER" not in seen


def test_the_same_values_again_are_no_change(project: Project) -> None:
    """Frozen and asked-for values are compared as bytes too."""
    run = project.host.playbook("deploy.yml")
    assert run.recap[project.host.container]["changed"] == 0, run.output


def test_a_value_that_no_environment_can_hold_is_refused_and_not_shown(project: Project) -> None:
    said = project.refuse(app_env={"TOKEN": "s3cret\x00value"})
    assert "app_env.TOKEN" in said
    assert "NUL" in said
    assert "s3cret" not in said
