"""The shows so far: in summer they were in the garden, in the Great Hall otherwise."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SUMMER = models.Q(date__month__in=(6, 7, 8))


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give every show without a stage the one it was on."""
    shows = apps.get_model("shows", "Show").objects.using(schema_editor.connection.alias)
    shows.filter(SUMMER, stage="").update(stage="garden")
    shows.filter(stage="").update(stage="hall")


def empty(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take back what `fill` would fill in again; a stage that someone chose stays."""
    shows = apps.get_model("shows", "Show").objects.using(schema_editor.connection.alias)
    shows.filter(SUMMER, stage="garden").update(stage="")
    shows.filter(~SUMMER, stage="hall").update(stage="")


class Migration(migrations.Migration):
    dependencies = [("shows", "0002_show_stage")]

    operations = [migrations.RunPython(fill, empty)]
