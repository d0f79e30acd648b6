# PRIVATE to the collection: a Django start that is about migrations alone.
#
# Like _django_process.py this is not imported on the host: its text is given to the release's own
# Python, which runs it as the app's user, in the folder of manage.py. A release can tell, apply and
# reverse only the migrations whose files it has.
#
# Request (argv[1], JSON): steps (what to do, one of plan, apply, reverse, to), databases, token,
# and further:
#   known     for look: [migration, ...], the files of another release, or null. What is applied and
#             not among them is told in full, as what a way back to that release has to undo.
#   sql       for look: whether to tell the SQL too
#   linter    for look: the folder that django-migration-linter is in, or nothing
#   reverse   for reverse: {database: [migration, ...]}, which shall not be applied any more
#   target    for to: the migration, as app.0007 or app.zero
# A migration is named app.0007_name.
# Answer: a line on standard output, the token followed by JSON. Anything else is what the app
# printed. Python 3.8 and Django 3.2 are the oldest that it is written for.
from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any

# A migration that gets no lock in time lets the others through, and is tried again.
RETRY_INTERVAL = 2  # seconds
ATTEMPTS = 6


class RefusalError(Exception):
    """What stops a deploy or rollback, in a sentence that the user can act on."""


def main() -> None:
    """Do what is asked for, and answer."""
    request = json.loads(sys.argv[1])
    sys.path[0], sys.argv = os.getcwd(), ["manage.py", "migrate", "--noinput"]  # as manage.py does
    try:
        answer = act(request)
    except RefusalError as refusal:
        answer = {"refusal": str(refusal)}
    print(f"\n{request['token']}{json.dumps(answer)}")


def act(request: dict[str, Any]) -> dict[str, Any]:
    """Do the step; what was found and done, for each database."""
    import django  # type: ignore[import-not-found]
    from django.db import connections  # type: ignore[import-not-found]
    from django.db.backends.signals import connection_created  # type: ignore[import-not-found]

    django.setup()
    kinds = {kind["engine"]: kind for kind in request["kinds"].values()}

    def be_impatient(connection: Any, **_: Any) -> None:
        for statement in kinds.get(connection.vendor, {}).get("impatience", ()):
            with suppress(Exception), connection.cursor() as cursor:  # an old server lacks some
                cursor.execute(statement)

    connection_created.connect(be_impatient)
    answer: dict[str, Any] = {"django": django.get_version(), "databases": {}}
    for alias in request["databases"]:
        if alias not in connections:
            raise RefusalError(
                f"app_databases names {alias!r}; the settings have "
                f"{', '.join(sorted(connections))}."
            )
        connection = connections[alias]
        database = Database(connection, kinds.get(connection.vendor, {}))
        if "plan" in request["steps"]:
            answer["databases"][alias] = database.plan(request)
            continue
        before = database.applied()
        failure = None
        try:
            if "apply" in request["steps"]:
                database.migrate()
            elif "reverse" in request["steps"]:
                database.reverse(set(request["reverse"].get(alias, [])))
            else:
                app, _, name = request["target"].partition(".")
                if database.has(app):
                    database.migrate(app, name)
        except Exception as error:
            failure = error
        after = database.applied()
        answer["databases"][alias] = {
            "before": before,
            "applied": [name for name in after if name not in before],
            "reversed": [name for name in before if name not in after],
        }
        if failure is not None:
            # What came before it is done: the answer has to say so.
            words = (str(failure).strip() or type(failure).__name__).splitlines()
            answer["databases"][alias]["failure"] = f"{type(failure).__name__}: " + "\n".join(words)
            break
    return answer


class Database:
    """The migrations of one database: what is applied, what waits, and moving from one to other."""

    def __init__(self, connection: Any, kind: dict[str, Any]) -> None:
        from django.db.migrations.executor import (  # type: ignore[import-not-found]
            MigrationExecutor,
        )

        self.lock_timeout_state = kind.get("lock_timeout_state", "")
        self.connection = connection
        self.executor = MigrationExecutor(connection)
        self.loader = self.executor.loader

    def applied(self) -> list[str]:
        """What the database says is applied, in the order in which it was."""
        from django.db.migrations.recorder import (  # type: ignore[import-not-found]
            MigrationRecorder,
        )

        recorder = MigrationRecorder(self.connection)
        if not recorder.has_table():
            return []
        rows = recorder.migration_qs.order_by("id").values_list("app", "name")
        return list(dict.fromkeys(f"{app}.{name}" for app, name in rows))

    def has(self, app: str) -> bool:
        """Whether the release has migrations of an app."""
        return app in self.loader.migrated_apps

    def files(self) -> list[str]:
        """The migrations that the release has, with those that a squashed one replaces."""
        names = set()
        for (app, name), migration in self.loader.disk_migrations.items():
            names.add(f"{app}.{name}")
            names.update(f"{a}.{n}" for a, n in migration.replaces)
        return sorted(names)

    def plan(self, request: dict[str, Any]) -> dict[str, Any]:
        """What is applied, what waits, and what is there that another release would not know."""
        applied, files = self.applied(), self.files()
        plan = self.executor.migration_plan(self.loader.graph.leaf_nodes())
        known = request["known"]
        ahead = [] if known is None else self.ahead_of(set(known), applied)
        return {
            "applied": applied,
            "missing": [
                name for name in applied if name not in files and self.has(name.split(".")[0])
            ],
            "waiting": [self.describe(migration, request, applied) for migration, _ in plan],
            "ahead": [self.describe(migration, request, applied) for migration in ahead],
        }

    def ahead_of(self, known: set[str], applied: list[str]) -> list[Any]:
        """The applied migrations that are not among ``known``, those first that must go first."""
        full = self.executor.migration_plan(self.loader.graph.leaf_nodes(), clean_start=True)
        mine = [
            migration
            for migration, _ in full
            if f"{migration.app_label}.{migration.name}" in applied
            and f"{migration.app_label}.{migration.name}" not in known
            # A squashed one is nothing new to code that has all that it replaced.
            and not (
                migration.replaces and known.issuperset(f"{a}.{n}" for a, n in migration.replaces)
            )
        ]
        return list(reversed(mine))

    def describe(
        self, migration: Any, request: dict[str, Any], applied: list[str]
    ) -> dict[str, Any]:
        """One migration: what it does, and what an older release would make of it."""
        name = f"{migration.app_label}.{migration.name}"
        there = name in applied
        state = self.loader.project_state((migration.app_label, migration.name), at_end=False)
        operations = []
        for operation in flat(migration.operations):
            before = state.clone()
            operation.state_forwards(migration.app_label, state)
            judge = Judge(self.connection, migration.app_label, before, state, there)
            operations.append({"what": described_by(operation), **judge.judge(operation)})
        nodes = self.loader.graph.backwards_plan((migration.app_label, migration.name))
        described = {
            "name": name,
            "operations": operations,
            "reversible": all(operation["reversible"] for operation in operations),
            # What has to be reversed before it.
            "needed_by": [
                f"{app}.{other}" for app, other in nodes if f"{app}.{other}" not in (name,)
            ],
        }
        if request["sql"]:
            try:
                described["sql"] = call(
                    "sqlmigrate",
                    migration.app_label,
                    migration.name,
                    database=self.connection.alias,
                )
            except Exception as error:  # a RunPython that asks for rows, say
                described["sql"] = f"-- unknown: {type(error).__name__}: {error}"
        if request["linter"]:
            try:
                described["lint"] = lint(migration, self.connection.alias, request["linter"])
            except Exception as error:
                described["lint_failure"] = f"{type(error).__name__}: {error}"
        return described

    def reverse(self, unwanted: set[str]) -> None:
        """Reverse these, and what needs them; app by app, as the migrate command does it."""
        from django.db.migrations.loader import MigrationLoader  # type: ignore[import-not-found]

        for app in sorted({name.split(".")[0] for name in unwanted}):
            # Anew for each app, and as Django counts: a squashed migration is applied where all
            # that it replaces are, whether or not it was recorded.
            applied = MigrationLoader(self.connection).applied_migrations
            left = [
                name
                for other, name in self.loader.graph.nodes
                if other == app and (app, name) in applied and f"{app}.{name}" not in unwanted
            ]
            ends = [
                name
                for name in left
                if not any(
                    child.key[0] == app and child.key[1] in left
                    for child in self.loader.graph.node_map[(app, name)].children
                )
            ]
            for target in ends or ["zero"]:
                self.migrate(app, target)

    def migrate(self, *target: str) -> None:
        """Run the migrate command, and again where it could not get a lock in time."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                call("migrate", *target, database=self.connection.alias, interactive=False)
                return
            except Exception as error:
                if attempt == ATTEMPTS or not has_sqlstate(error, self.lock_timeout_state):
                    raise
                self.connection.close()
                time.sleep(RETRY_INTERVAL)


def has_sqlstate(error: BaseException | None, wanted: str) -> bool:
    """Whether an error, or what caused it, is one of the database's with that SQLSTATE."""
    while error is not None:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state and state == wanted:
            return True
        error = error.__cause__ or error.__context__
    return False


def flat(operations: list[Any]) -> list[Any]:
    """The operations on the database, without those that only change Django's idea of it."""
    found = []
    for operation in operations:
        if type(operation).__name__ == "SeparateDatabaseAndState":
            found.append(StateOf(operation) if operation.state_operations else operation)
            found.extend(flat(operation.database_operations))
        else:
            found.append(operation)
    return found


class StateOf:
    """The half of SeparateDatabaseAndState that touches no database."""

    reversible = True
    reduces_to_sql = False

    def __init__(self, operation: Any) -> None:
        self.operation = operation

    def describe(self) -> str:
        """As an operation does."""
        return "Change the state alone"

    def state_forwards(self, app_label: str, state: Any) -> None:
        """As an operation does."""
        for operation in self.operation.state_operations:
            operation.state_forwards(app_label, state)


# -- what an older release makes of an operation --------------------------------------------------
#
# Two questions, operation by operation. Can code from before it work on with the schema after it?
# And would reversing it drop anything that somebody has written? The table in docs/migrations.md
# says the same in words; where this does not know an operation, it says that it cannot tell.

# No column or table is another for older code.
HARMLESS = {
    "CreateModel",
    "AddIndex",
    "RemoveIndex",
    "RenameIndex",
    "AddIndexConcurrently",
    "RemoveIndexConcurrently",
    "RemoveConstraint",
    "AlterModelOptions",
    "AlterModelManagers",
    "AlterModelTableComment",
    "StateOf",
    "CreateExtension",
    "CreateCollation",
    "ValidateConstraint",
    "RunPython",
}
# Older code asks for what is gone, or writes what is refused; all rows are still there.
BREAKING = {
    "RemoveField",
    "DeleteModel",
    "RenameField",
    "RenameModel",
    "AlterModelTable",
    "AddConstraint",
    "AddConstraintNotValid",
    "AlterOrderWithRespectTo",
}
# Types that take all values of another, so that the change is none to older code.
WIDER = {
    ("SmallIntegerField", "IntegerField"),
    ("SmallIntegerField", "BigIntegerField"),
    ("IntegerField", "BigIntegerField"),
    ("PositiveSmallIntegerField", "PositiveIntegerField"),
    ("PositiveIntegerField", "PositiveBigIntegerField"),
    ("AutoField", "BigAutoField"),
    ("SmallAutoField", "AutoField"),
    ("CharField", "TextField"),
    ("SlugField", "TextField"),
    ("SlugField", "CharField"),
    ("EmailField", "CharField"),
    ("URLField", "CharField"),
}
_HARMLESS_SQL = re.compile(
    r"(create\s+index|drop\s+index|create\s+(or\s+replace\s+)?view|create\s+table|insert|update|"
    r"analyze|comment|create\s+extension|reindex|select|set)\b",
    re.IGNORECASE,
)
_LOSSLESS_SQL = re.compile(
    r"(create|drop\s+(index|view|trigger|function|extension)|insert|update|analyze|comment|reindex|"
    r"select|set|alter\s+table\s+\S+\s+(add|rename|alter\s+column\s+\S+\s+(set|drop)\s+"
    r"(default|not\s+null))|delete\s+from\s+django_)\b",
    re.IGNORECASE,
)


class Judge:
    """Judges one operation, by the models as they are before and after it."""

    def __init__(
        self, connection: Any, app_label: str, before: Any, after: Any, there: bool
    ) -> None:
        self.connection, self.app_label = connection, app_label
        self.before, self.after = before, after
        self.there = there  # whether it is applied, so that there can be rows

    def judge(self, operation: Any) -> dict[str, Any]:
        """``livable``: whether older code can live with it. ``drops``: what its reversal would.

        ``drops`` lists tables and columns that hold something, with the number of rows; it is None
        where that cannot be told. ``reversible``: whether it can be reversed at all.
        What Django takes may be more than is expected here (a max_length that is a string), and
        that fails no deploy: it is unknown what an operation does that raises.
        """
        reversible = bool(operation.reversible)
        try:
            if not self.is_of_this_database(operation):
                return {"livable": True, "drops": [], "reversible": reversible}
            livable, drops = self.effects(operation)
            reversible = reversible and self.comes_back(operation)
        except Exception:
            livable, drops = False, None
        return {"livable": bool(livable), "drops": drops, "reversible": reversible}

    def is_of_this_database(self, operation: Any) -> bool:
        """Whether the routers let an operation touch this database; Django asks them likewise."""
        from django.db import router

        alias, label = self.connection.alias, self.app_label
        name = getattr(operation, "model_name", None) or getattr(operation, "name", None)
        if type(operation).__name__ in ("RunPython", "RunSQL"):
            return bool(router.allow_migrate(alias, label, **operation.hints))
        if type(operation).__name__ == "RenameModel":
            name = operation.new_name
        for state in (self.after, self.before):
            if name and (label, str(name).lower()) in state.models:
                return bool(router.allow_migrate_model(alias, state.apps.get_model(label, name)))
        return True

    def effects(self, operation: Any) -> tuple[bool, Any]:
        """What an operation of this database does: ``livable`` and ``drops``."""
        kind = type(operation).__name__
        special = getattr(self, f"judge_{kind}", None)
        if special is not None:
            livable, drops = special(operation)
            return livable, drops
        if kind in HARMLESS:
            return True, []
        return False, [] if kind in BREAKING else None

    def comes_back(self, operation: Any) -> bool:
        """Whether what an operation removed could be filled again, in the rows that are there.

        Reversing adds the column, and a database refuses one that must not be NULL and has nothing
        to be filled with: what Django itself takes then is in its schema editor's
        ``effective_default``.
        """
        if type(operation).__name__ != "RemoveField" or not self.there:
            return True
        model = self.before.apps.get_model(self.app_label, operation.model_name)
        field = model._meta.get_field(operation.name)
        fills = (
            field.many_to_many
            or field.column is None
            or field.null
            or field.has_default()
            or getattr(field, "has_db_default", lambda: False)()
            or getattr(field, "generated", False)
            or getattr(field, "auto_now", False)
            or getattr(field, "auto_now_add", False)
            or (field.blank and field.empty_strings_allowed)
        )
        return bool(fills) or not self.rows(model._meta.db_table)

    def judge_CreateModel(self, operation: Any) -> tuple[bool, Any]:  # noqa: N802 - Django's name
        """Older code does not know the table; reversing drops it."""
        model = self.after.apps.get_model(self.app_label, operation.name)
        if not model._meta.managed or model._meta.proxy:
            return True, []
        return True, self.rows(model._meta.db_table)

    def judge_AddField(self, operation: Any) -> tuple[bool, Any]:  # noqa: N802 - Django's name
        """Older code leaves the column out when it inserts, so that it must do without a value."""
        model = self.after.apps.get_model(self.app_label, operation.model_name)
        field = model._meta.get_field(operation.name)
        if field.many_to_many:
            return True, self.rows(field.remote_field.through._meta.db_table)
        if field.column is None:  # such as a GenericForeignKey
            return True, []
        generated = getattr(field, "generated", False)
        has_default = getattr(field, "has_db_default", lambda: False)()
        default = field.default if field.has_default() and not callable(field.default) else None
        if default is None and not field.null and field.empty_strings_allowed and field.blank:
            default = ""
        livable = field.null or has_default or generated
        if generated:
            return livable, []
        return livable, self.rows(model._meta.db_table, field, default)

    def judge_AlterField(self, operation: Any) -> tuple[bool, Any]:  # noqa: N802 - Django's name
        """Wider is fine for older code, narrower is not; Django's own words change nothing."""
        old, new = (
            state.apps.get_model(self.app_label, operation.model_name)._meta.get_field(
                operation.name
            )
            for state in (self.before, self.after)
        )
        if old.many_to_many or new.many_to_many:
            return False, None
        types = [field.db_parameters(connection=self.connection) for field in (old, new)]
        same = types[0] == types[1] and old.column == new.column
        kinds = (old.get_internal_type(), new.get_internal_type())
        lengths = (length_of(old), length_of(new))
        longer = shorter = False
        if kinds[0] == kinds[1] and lengths[0] is not None and lengths[1] is not None:
            longer, shorter = lengths[0] < lengths[1], lengths[0] > lengths[1]
        stricter = (old.null and not new.null) or (new.unique and not old.unique)
        if old.column == new.column and (same or longer or kinds in WIDER):
            return not stricter, []
        if shorter:
            return False, []
        return False, None

    def judge_AlterUniqueTogether(self, operation: Any) -> tuple[bool, Any]:  # noqa: N802 - Django's name
        """Older code may write what a new rule refuses."""
        state = self.before.models[self.app_label, operation.name_lower]
        old = {tuple(names) for names in state.options.get("unique_together") or ()}
        new = {tuple(names) for names in operation.unique_together or ()}
        return new <= old, []

    def judge_AlterIndexTogether(self, _operation: Any) -> tuple[bool, Any]:  # noqa: N802 - Django's name
        """An index is nothing to older code."""
        return True, []

    def judge_RunSQL(self, operation: Any) -> tuple[bool, Any]:  # noqa: N802 - Django's name
        """Known by how its statements begin."""
        livable = all(_HARMLESS_SQL.match(statement) for statement in statements(operation.sql))
        back = statements(operation.reverse_sql)
        return livable, [] if all(_LOSSLESS_SQL.match(statement) for statement in back) else None

    def rows(self, table: str, field: Any = None, default: Any = None) -> Any:
        """The table, or its column, with the number of rows that hold something; None: unknown."""
        quote = self.connection.ops.quote_name
        where, values = "", []
        if not self.there:
            return []
        if field is not None:
            where = f" WHERE {quote(field.column)} IS NOT NULL"
            if default is not None:
                where += f" AND {quote(field.column)} <> %s"
                values = [field.get_db_prep_value(default, self.connection)]
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(f"SELECT COUNT(*) FROM {quote(table)}{where}", values)
                count = cursor.fetchone()[0]
        except Exception:
            # Another migration renamed it since, or it is not there yet.
            return None
        column = field.column if field is not None else ""
        return [{"table": table, "column": column, "rows": count}] if count else []


def described_by(operation: Any) -> str:
    """What an operation says of itself; its kind where it cannot."""
    try:
        return str(operation.describe())
    except Exception:
        return type(operation).__name__


def length_of(field: Any) -> int | None:
    """A field's max_length as a number. Django takes a string too, of which old migrations have."""
    return None if field.max_length is None else int(field.max_length)


def statements(sql: Any) -> list[str]:
    """The statements of a RunSQL, each from its first word, without comments."""
    if sql is None or sql == "":
        return []
    if isinstance(sql, (list, tuple)):
        found = []
        for part in sql:
            found.extend(statements(part[0] if isinstance(part, (list, tuple)) else part))
        return found
    text = re.sub(r"--[^\n]*|/\*.*?\*/", " ", str(sql), flags=re.DOTALL)
    return [part.strip() for part in text.split(";") if part.strip()]


def lint(migration: Any, alias: str, folder: str) -> list[str]:
    """What django-migration-linter says would break the release that serves meanwhile."""
    sys.path.append(folder)  # last: what the release has itself wins
    try:
        from django_migration_linter.migration_linter import (  # type: ignore[import-not-found]
            MigrationLinter,
        )
        from django_migration_linter.sql_analyser import (  # type: ignore[import-not-found]
            analyse_sql_statements,
        )

        linter = MigrationLinter(database=alias, no_cache=True, no_output=True)
        name = (migration.app_label, migration.name)
        if linter.should_ignore_migration(*name, migration.operations, migration.initial):
            return []
        errors, _, _ = analyse_sql_statements(
            linter.sql_analyser_class, linter.get_sql(*name), linter.exclude_migration_tests
        )
        return [issue.message for issue in errors]
    finally:
        sys.path.remove(folder)


def call(command: str, *arguments: str, **options: Any) -> str:
    """Call a management command; what it printed, without colours."""
    from django.core.management import call_command  # type: ignore[import-not-found]

    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        call_command(command, *arguments, no_color=True, stdout=out, stderr=out, **options)
    return out.getvalue().strip()


if __name__ == "__main__":
    main()
