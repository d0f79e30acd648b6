# PRIVATE to the collection: an app's PostgreSQL database, as one that can be kept and put back.
from __future__ import annotations

import os
import pwd
import re
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._addresses import address_problems
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._database.base import (
    Database,
    new_file,
)
from ansible_collections.greenroom.django.plugins.module_utils._database.postgresql_client import (
    PSQL,
    Client,
)
from ansible_collections.greenroom.django.plugins.module_utils._database.postgresql_sql import (
    create_database,
    grant_statements,
    hand_over,
    quote_name,
    quote_text,
    select_database,
    select_schemas_and_extensions,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

_LONGEST_NAME = 63  # bytes
_DUMP_LOCK_TIMEOUT = "60s"  # for a lock that somebody's transaction holds on a table
_MIGRATION_LOCK_TIMEOUT = "5s"  # for the same, after which the migration lets others through

# What PostgreSQL, or its package, has for itself.
_OWN_NAMES = ("postgres", "postgresql", "template0", "template1", "public", "none")


class Postgresql(Database):
    """One PostgreSQL database. Its tools run as the app's user, with the app's own password.

    Where the server is this host's own, what the app's role may not do is done by ``postgres``:
    making and renaming databases. What the app wrote is never run with more than the app's rights,
    and what it answers is never part of a statement of the superuser's: that one asks its own
    catalogues.
    """

    engine = "postgresql"
    label = "PostgreSQL"
    engines = "postgres|postgis"
    suffix = "dump"
    client_packages = ("postgresql-client",)
    is_file = False
    # While a migration waits for a lock, the site waits behind it. The second one, which ends the
    # session of a client that was killed, is new in 14.
    impatience = (
        f"SET lock_timeout = '{_MIGRATION_LOCK_TIMEOUT}'",
        "SET client_connection_check_interval = '1s'",
    )
    lock_timeout_state = "55P03"

    def __init__(self, app: App, alias: str, connection: dict[str, Any]) -> None:
        super().__init__(app, alias)
        self.client = Client(app, alias, connection)
        self.name = self.client.name

    @staticmethod
    def inventory_problems(
        app_name: str,
        hosts: Sequence[str],
        database: Sequence[str],
        addresses: Mapping[str, str],
    ) -> list[str]:
        """What is wrong with the host that PostgreSQL is to run on, or with its name there."""
        if app_name in _OWN_NAMES:
            return [
                f"app_name is {app_name!r}, which PostgreSQL has for itself; choose another name, "
                "or another app_database."
            ]
        if len(database) > 1:
            return [
                f"The group database has {', '.join(database)}; it should be the one host that "
                "PostgreSQL runs on."
            ]
        if not database and len(hosts) > 1:
            return [
                f"app_database is 'postgresql', and {', '.join(hosts)} need one database: name its "
                "host in the inventory, in a group database. It may be one of them."
            ]
        if not database or set(hosts) <= set(database):
            return []  # it is reached on localhost
        return address_problems(
            [*hosts, *database], addresses, "a database on a host of its own", "database_address"
        )

    # -- snapshots -------------------------------------------------------------------------------

    def size(self) -> int:
        """How many bytes a snapshot of it may have: half of its tables, since it is compressed."""
        found = self.client.ask(
            "SELECT coalesce(sum(pg_catalog.pg_table_size(oid)), 0)::bigint / 2 "
            "FROM pg_catalog.pg_class WHERE relkind IN ('r', 'm') AND relnamespace NOT IN "
            "(SELECT oid FROM pg_catalog.pg_namespace "
            "WHERE nspname IN ('pg_catalog', 'information_schema'))"
        )
        if not re.fullmatch("[0-9]{1,18}", found):
            raise self.client.no_answer(found)
        return int(found)

    def migrations(self) -> list[str]:
        """The names of the migrations that were applied to it, in their order."""
        if self.client.ask("SELECT pg_catalog.to_regclass('django_migrations') IS NOT NULL") != "t":
            return []
        names = self.client.ask("SELECT app || '.' || name FROM django_migrations ORDER BY id")
        # It is the app's own table. What no file can be called must not get to a terminal.
        return [name for name in names.splitlines() if name.isprintable()]

    def dump(self, path: str) -> None:
        """Write a snapshot to ``path``, a new file that only root can read."""
        role = self.client.options.get("assume_role")
        argv = [
            "pg_dump",
            "--format=custom",
            f"--lock-wait-timeout={_DUMP_LOCK_TIMEOUT}",
            "--no-password",
        ]
        with new_file(path) as file:
            self.client.run(
                f"Taking a snapshot of the database {self.alias!r}",
                [*argv, f"--role={role}"] if role else argv,
                stdout=file,
            )
            os.fsync(file.fileno())

    def verify(self, path: str) -> None:
        """Refuse a snapshot that is damaged: all of it is read and unpacked. Raises GreenroomError.

        Its list of contents alone would be whole in half a file, too.
        """
        with open(path, "rb") as file:
            self.client.run("Checking the snapshot", ["pg_restore", "--file=/dev/null"], stdin=file)

    # -- putting one back ------------------------------------------------------------------------

    def check_restore(self) -> None:
        """Refuse where nobody at hand may make and rename databases. Raises GreenroomError."""
        if self.client.has_superuser or self.client.known["may_create"]:
            self.client.maintain("SELECT 1")
            return
        role, host = self.client.known["role"], self.client.host or "this host"
        raise GreenroomError(
            f"The database {self.alias!r} ({self.name} on {host}) cannot be restored: that takes a "
            f"new database, which the role {role} may not make, and the server's superuser makes "
            f"one on its own host alone, and for the owner of the database. For the time of the "
            f"restore, let it: ALTER ROLE {role} CREATEDB; it must own the database."
        )

    def restore(self, path: str) -> str:
        """Make a fresh database of the snapshot at ``path``; its name.

        Nobody but who makes it gets in before all is there that the app may not make itself.
        Raises GreenroomError, and leaves nothing, where the snapshot does not go in as a whole.
        """
        fresh = self._derived("_restore")
        self.drop(fresh)  # of a run that died
        about = self._about()
        try:
            self.client.maintain(create_database(fresh, about))
            done = self._make_what_is_not_the_apps(fresh)
            self.client.maintain(hand_over(fresh, about))
            self._fill(path, fresh, done)
            # The planner knows nothing of new tables, and the first visitors would pay for it.
            self.client.run("Analyzing", ["psql", *PSQL], database=fresh, stdin="ANALYZE")
        except BaseException:
            self.drop(fresh)
            raise
        return fresh

    def name_before(self, time: str) -> str:
        """What this database is called when another took its place at ``time``."""
        return self._derived(f"_before_{time}")

    def swap(self, fresh: str, before: str) -> None:
        """Have the database ``fresh`` take the place of this one, which is then called ``before``.

        Whoever is connected is thrown out, and both are renamed in one transaction. Raises
        GreenroomError, with all as it was, where that cannot be. The way back is
        ``swap(before, fresh)``.
        """
        name = self.client.known["name"]
        self.client.maintain(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
            f"WHERE datname IN ({quote_text(name)}, {quote_text(fresh)});\n"
            "BEGIN;\n"
            f"ALTER DATABASE {quote_name(name)} RENAME TO {quote_name(before)};\n"
            f"ALTER DATABASE {quote_name(fresh)} RENAME TO {quote_name(name)};\n"
            "COMMIT;"
        )

    def replaced(self) -> list[str]:
        """The databases that were kept at a swap, oldest first."""
        start = self._derived("_before_" + "0" * 16)[:-16]
        return list(
            self.client.read(
                "SELECT coalesce(pg_catalog.json_agg(datname ORDER BY datname), '[]') "
                f"FROM pg_catalog.pg_database WHERE {self._is_the_apps('datdba')} "
                f"AND pg_catalog.left(datname, {len(start)}) = {quote_text(start)} AND "
                f"pg_catalog.substr(datname, {len(start) + 1}) ~ '^[0-9]{{8}}t[0-9]{{6}}z$'"
            )
        )

    def drop(self, name: str) -> None:
        """Remove a database that was kept, or a fresh one that is not wanted.

        One of that name that is somebody else's stays: it is the app's, or who asks was making it.
        """
        self.client.maintain(
            f"SELECT 'DROP DATABASE ' || {quote_text(quote_name(name))} "
            f"FROM pg_catalog.pg_database WHERE datname = {quote_text(name)} "
            f"AND ({self._is_the_apps('datdba')} "
            "OR pg_catalog.pg_get_userbyid(datdba) = current_user) \\gexec"
        )

    def _derived(self, suffix: str) -> str:
        """A name that begins with this database's own, as far as there is room."""
        name = str(self.client.known["name"]).encode()[: _LONGEST_NAME - len(suffix)]
        return name.decode(errors="ignore") + suffix

    def _is_the_apps(self, owner: str) -> str:
        """SQL for whether what a role ``owner`` has is the app's too."""
        return f"pg_catalog.pg_has_role({quote_text(self.client.known['role'])}, {owner}, 'USAGE')"

    def _about(self) -> dict[str, Any]:
        """What a database like this one is made with, and its owner, who may connect, settings."""
        which = f"datname = {quote_text(self.client.known['name'])}"
        about = dict(
            self.client.read(
                f"SELECT pg_catalog.row_to_json(d) FROM pg_catalog.pg_database d WHERE {which}"
            )
        )
        owner, encoding, grants, settings = self.client.read(select_database(which))
        return {**about, "owner": owner, "encoded": encoding, "grants": grants, "set": settings}

    def _make_what_is_not_the_apps(self, fresh: str) -> list[str]:
        """Make the schemas and extensions that the app's role may not make.

        They are those of the present database, which some superuser chose, and not those that the
        snapshot names: the app could have written anything in there. Returned is how lines of a
        snapshot's list of contents begin that are done with.
        """
        if not self.client.has_superuser:
            return []
        schemas, extensions = self.client.read(
            select_schemas_and_extensions(
                self._is_the_apps("nspowner"), self._is_the_apps("extowner")
            ),
            self.client.known["name"],
        )
        statements, done = [], []
        for schema, owner, is_the_apps, grants in schemas:
            statements.append(f"CREATE SCHEMA IF NOT EXISTS {quote_name(schema)}")
            statements.append(f"ALTER SCHEMA {quote_name(schema)} OWNER TO {quote_name(owner)}")
            done.append(f"SCHEMA - {schema} ")
            if not is_the_apps:
                statements += grant_statements(f"SCHEMA {quote_name(schema)}", grants)
                done += [f"ACL - SCHEMA {schema} ", f"COMMENT - SCHEMA {schema} "]
        for extension, schema in extensions:
            statements.append(
                f"CREATE EXTENSION {quote_name(extension)} SCHEMA {quote_name(schema)} CASCADE"
            )
            done += [f"EXTENSION - {extension} ", f"COMMENT - EXTENSION {extension} "]
        self.client.maintain(";\n".join(statements), fresh)
        return [re.sub("[\r\n]", " ", line) for line in done]  # as pg_restore prints names

    def _fill(self, path: str, fresh: str, done: list[str]) -> None:
        """Load the snapshot into the database ``fresh``, as the app's role, without what is done.

        Each line of a list of contents begins with three numbers.
        """
        with open(path, "rb") as file:
            contents = self.client.answer(
                "Reading the snapshot", ["pg_restore", "--list"], stdin=file
            )
        wanted = [
            line
            for line in contents.splitlines()
            if not re.sub(r"^\d+; \d+ \d+ ", "", f"{line} ").startswith(tuple(done))
        ]
        argv = ["pg_restore", "--exit-on-error", "--no-owner", "--no-password"]
        with tempfile.NamedTemporaryFile("w") as chosen, open(path, "rb") as file:
            chosen.write("\n".join(wanted))
            chosen.flush()
            os.fchown(chosen.fileno(), pwd.getpwnam(self.app.user).pw_uid, -1)
            self.client.run(
                f"Restoring the database {self.alias!r}",
                [*argv, f"--use-list={chosen.name}", f"--dbname={fresh}"],
                stdin=file,
            )
