"""Changes with migrations: ones that fail, take long, or are reversed by a rollback."""

from __future__ import annotations

import secrets

from fault.site import HOME

AT_WORK = f"{HOME}/shared/at-work"  # a migration writes it: in its sandbox, /tmp is its own

# A step that says that it is at work, and is for some seconds.
TAKES_LONG = f'open("{AT_WORK}", "w").close(); time.sleep(4)'

MIGRATION = """\
import os, time
from django.db import migrations


def act(apps, schema_editor):
{act}

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("shows", "{after}")]
    operations = [{first}migrations.RunPython(act, migrations.RunPython.noop)]
"""


def migrations_that(act: str, first: bool = True, atomic: bool = True) -> dict[str, str]:
    """Files of a change with two migrations: one that goes well, and one that does not.

    Args:
        act: what the second one does, a line of Python
        first: whether it makes a table before that
        atomic: whether the database is to undo it where it fails
    """
    word = secrets.token_hex(4)
    table = 'migrations.RunSQL("create table {0} (id integer)", "drop table {0}"), '

    def one(number: int, after: str, line: str, made: bool) -> str:
        sql = table.format(f"half_{word}_{number}") if made else ""
        return MIGRATION.format(act=f"    {line}\n", first=sql, after=after, atomic=atomic)

    return {
        f"shows/migrations/0004_{word}.py": one(4, "0003_fill_stage", "pass", True),
        f"shows/migrations/0005_{word}.py": one(5, f"0004_{word}", act, first),
    }


CONSTRAINT = """\
import time
from django.db import migrations, models


def act(apps, schema_editor):
    {act}


class Migration(migrations.Migration):
    dependencies = [("shows", "{after}")]
    operations = [
        migrations.AddConstraint(
            "show", models.CheckConstraint(condition=~models.Q(title="{name}"), name="{name}")
        ),
        migrations.RunPython(migrations.RunPython.noop, act),
    ]
"""


def constraints() -> dict[str, str]:
    """Files of a change with two migrations that a rollback reverses, and the second takes long.

    Older code may write what a constraint refuses, so it counts as one that cannot live with it.
    """
    first, second = (f"no_{secrets.token_hex(4)}" for _ in range(2))
    return {
        f"shows/migrations/0004_{first}.py": CONSTRAINT.format(
            after="0003_fill_stage", name=first, act=TAKES_LONG
        ),
        f"shows/migrations/0005_{second}.py": CONSTRAINT.format(
            after=f"0004_{first}", name=second, act="pass"
        ),
    }
