"""What ordinary projects do when they start: they look at sys.argv, and use their storage."""

from __future__ import annotations

import pytest
from project import PLAIN, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

# An app that stays off the database where manage.py may have none, and else needs its tables.
APPS = """\
import sys

from django.apps import AppConfig


class NotesConfig(AppConfig):
    name = "notes"

    def ready(self):
        if sys.argv[1:2] not in (["collectstatic"], ["check"], ["migrate"]):
            self.get_model("Note").objects.count()
"""
# A model that uses the staticfiles storage when it is imported, as blocks of Wagtail do.
USES_STORAGE = """\
from django.contrib.staticfiles.storage import staticfiles_storage

staticfiles_storage.path("notes/page.css")
"""
MIGRATION = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notes", "0001_initial")]
    operations = [
        migrations.AddField("note", "seats{number}", models.CharField(max_length="2", null=True)),
        migrations.AlterField("note", "seats{number}", models.CharField(max_length=3, null=True)),
    ]
"""


def test_each_start_is_the_one_that_manage_py_would_have(project: Project) -> None:
    """From the first deploy, to one with a migration, which takes a snapshot before."""
    files: dict[str, str | None] = {
        "notes/apps.py": APPS,
        "notes/models.py": PLAIN["notes/models.py"] + USES_STORAGE,
    }
    project.commit(files)
    project.deploy()
    first = project.serving()
    project.commit({**files, "notes/migrations/0002_seats.py": MIGRATION.format(number=1)})
    project.deploy()
    assert project.serving() == first + 1
    assert "seats1" in str(project.sql("SELECT sql FROM sqlite_master WHERE name = 'notes_note'"))
