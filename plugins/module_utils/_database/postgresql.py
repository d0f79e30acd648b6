# PRIVATE to the collection: an app's PostgreSQL database, as one that can be kept and put back.
from __future__ import annotations

import json
import os
import pwd
import re
import tempfile
from functools import cached_property
from typing import IO, Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import must_run, run
from ansible_collections.greenroom.django.plugins.module_utils._database.sqlite import new_file
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

# OPTIONS of the settings that say how to connect, and what PostgreSQL's own tools call them.
_VARIABLES = {
    "service": "PGSERVICE",
    "passfile": "PGPASSFILE",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
_SUPERUSER = "postgres"
_THIS_HOST = ("", "localhost", "127.0.0.1", "::1")
_MAINTENANCE = "postgres"  # the database to be in while others are made and renamed
_LONGEST_NAME = 63  # bytes
_LOCK_WAIT = "60s"  # for a lock that somebody's transaction holds on a table


class Postgresql:
    """One PostgreSQL database. Its tools run as the app's user, with the app's own password.

    Where the server is this host's own, what the app's role may not do is done by ``postgres``:
    making and renaming databases. What the app wrote is never run with more than the app's rights.
    """

    engine = "postgresql"
    suffix = "dump"

    def __init__(self, app: App, alias: str, connection: dict[str, Any]) -> None:
        self.app = app
        self.alias = alias
        self.options = dict(connection.get("options") or {})
        self.name = str(connection["name"])
        if not self.name and "service" not in self.options:
            self.name = _MAINTENANCE  # as Django has it
        self.host = str(connection.get("host") or "")
        self.port = str(connection.get("port") or "")
        self.folder = ""  # its copies are made on the server
        self._password = str(connection.get("password") or "")
        self._role = str(connection.get("user") or "")

    # -- snapshots -------------------------------------------------------------------------------

    def size(self) -> int:
        """How many bytes a snapshot of it may have: half of its tables, since it is compressed."""
        found = self._ask(
            "SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint / 2 FROM pg_class "
            "WHERE relkind IN ('r', 'm') AND relnamespace NOT IN "
            "(SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema'))"
        )
        return int(found)

    def migrations(self) -> list[str]:
        """The names of the migrations that were applied to it, in their order."""
        if self._ask("SELECT to_regclass('django_migrations') IS NOT NULL") != "t":
            return []
        names = self._ask("SELECT app || '.' || name FROM django_migrations ORDER BY id")
        return names.splitlines()

    def dump(self, path: str) -> None:
        """Write a snapshot to ``path``, a new file that only root can read."""
        role = self.options.get("assume_role")
        argv = ["pg_dump", "--format=custom", f"--lock-wait-timeout={_LOCK_WAIT}", "--no-password"]
        with new_file(path) as file:
            self._run(
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
            self._run("Checking the snapshot", ["pg_restore", "--file=/dev/null"], stdin=file)

    # -- putting one back ------------------------------------------------------------------------

    def check_restore(self) -> None:
        """Refuse where nobody at hand may make and rename databases. Raises GreenroomError."""
        if self._has_superuser or self._known["may_create"]:
            self._maintain("SELECT 1")
            return
        raise GreenroomError(
            f"The database {self.alias!r} ({self.name} on {self.host or 'this host'}) cannot be "
            f"restored: that takes a new database, which the role {self._known['role']} may not "
            f"make, and the server's superuser is not at hand on this host. For the time of the "
            f"restore, let it: ALTER ROLE {self._known['role']} CREATEDB; it must own the database."
        )

    def restore(self, path: str) -> str:
        """Make a fresh database of the snapshot at ``path``; its name.

        Raises GreenroomError, and leaves nothing, where the snapshot does not go in as a whole.
        """
        fresh = self._derived("_restore")
        self.drop(fresh)  # of a run that died
        creation = self._sql_of_creation(fresh)
        try:
            self._maintain(creation)
            self._fill(path, fresh, self._make_what_is_not_the_apps(fresh))
            # The planner knows nothing of new tables, and the first visitors would pay for it.
            self._run("Analyzing", ["psql", *_PSQL], database=fresh, stdin="ANALYZE")
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
        name = self._known["name"]
        self._maintain(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname IN ({_text(name)}, {_text(fresh)});\n"
            "BEGIN;\n"
            f"ALTER DATABASE {_name(name)} RENAME TO {_name(before)};\n"
            f"ALTER DATABASE {_name(fresh)} RENAME TO {_name(name)};\n"
            "COMMIT;"
        )

    def replaced(self) -> list[str]:
        """The databases that were kept at a swap, oldest first."""
        start = self._derived("_before_" + "0" * 16)[:-16]
        names = self._ask(
            "SELECT datname FROM pg_database "
            f"WHERE left(datname, {len(start)}) = {_text(start)} "
            f"AND substr(datname, {len(start) + 1}) ~ '^[0-9]{{8}}t[0-9]{{6}}z$' ORDER BY datname"
        )
        return names.splitlines()

    def drop(self, name: str) -> None:
        """Remove a database that was kept, or a fresh one that is not wanted."""
        self._maintain(f"DROP DATABASE IF EXISTS {_name(name)}")

    def _derived(self, suffix: str) -> str:
        """A name that begins with this database's own, as far as there is room."""
        name = str(self._known["name"]).encode()[: _LONGEST_NAME - len(suffix)]
        return name.decode(errors="ignore") + suffix

    def _sql_of_creation(self, fresh: str) -> str:
        """What makes an empty database like this one: its owner, its collation, who may connect."""
        about = json.loads(
            self._ask("SELECT row_to_json(d) FROM pg_database d WHERE datname = current_database()")
        )
        owner, encoding, grants = json.loads(
            self._ask(
                "SELECT json_build_array(pg_get_userbyid(datdba), pg_encoding_to_char(encoding), "
                f"{_grants('datacl')}) FROM pg_database WHERE datname = current_database()"
            )
        )
        create = (
            f"CREATE DATABASE {_name(fresh)} OWNER {_name(owner)} TEMPLATE template0 "
            f"ENCODING {_text(encoding)} LC_COLLATE {_text(about['datcollate'])} "
            f"LC_CTYPE {_text(about['datctype'])}"
        )
        locale = about.get("datlocale") or about.get("daticulocale")
        if about.get("datlocprovider") == "i":
            create += f" LOCALE_PROVIDER icu ICU_LOCALE {_text(locale)}"
        elif about.get("datlocprovider") == "b":
            create += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {_text(locale)}"
        return ";\n".join(
            [
                f"{create} CONNECTION LIMIT {about['datconnlimit']}",
                *_sql_of_grants(f"DATABASE {_name(fresh)}", grants),
                *self._sql_of_settings(fresh),
            ]
        )

    def _sql_of_settings(self, fresh: str) -> list[str]:
        """What ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET once said of this one."""
        found = self._ask(
            "SELECT coalesce(json_agg(json_build_array(CASE setrole WHEN 0 THEN NULL "
            "ELSE pg_get_userbyid(setrole) END, setconfig)), '[]') FROM pg_db_role_setting "
            "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        statements = []
        for role, settings in json.loads(found):
            whose = f"ROLE {_name(role)} IN DATABASE" if role else "DATABASE"
            for setting in settings:
                name, _, value = setting.partition("=")
                words = [_text(value)] if name not in _LISTS_OF_NAMES else _names(value)
                statements.append(
                    f"ALTER {whose} {_name(fresh)} SET {_name(name)} TO {', '.join(words)}"
                )
        return statements

    def _make_what_is_not_the_apps(self, fresh: str) -> list[str]:
        """Make the schemas and extensions that the app's role may not make.

        They are those of the present database, which some superuser chose, and not those that the
        snapshot names: the app could have written anything in there. Returned is how lines of a
        snapshot's list of contents begin that are done with.
        """
        if not self._has_superuser:
            return []
        schemas, extensions = json.loads(
            self._ask(
                "WITH e AS (SELECT extname, extnamespace FROM pg_extension WHERE extname <> "
                "'plpgsql' AND NOT pg_has_role(extowner, 'USAGE')) SELECT json_build_array("
                "(SELECT coalesce(json_agg(json_build_array(nspname, pg_get_userbyid(nspowner), "
                f"pg_has_role(nspowner, 'USAGE'), {_grants('nspacl')})), '[]') FROM pg_namespace n "
                "WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND (NOT "
                "pg_has_role(nspowner, 'USAGE') OR n.oid IN (SELECT extnamespace FROM e))), "
                "(SELECT coalesce(json_agg(json_build_array(extname, nspname)), '[]') FROM e "
                "JOIN pg_namespace n ON n.oid = extnamespace))"
            )
        )
        statements, done = [], []
        for schema, owner, is_the_apps, grants in schemas:
            statements.append(f"CREATE SCHEMA IF NOT EXISTS {_name(schema)}")
            statements.append(f"ALTER SCHEMA {_name(schema)} OWNER TO {_name(owner)}")
            done.append(f"SCHEMA - {schema} ")
            if not is_the_apps:
                statements += _sql_of_grants(f"SCHEMA {_name(schema)}", grants)
                done += [f"ACL - SCHEMA {schema} ", f"COMMENT - SCHEMA {schema} "]
        for extension, schema in extensions:
            statements.append(f"CREATE EXTENSION {_name(extension)} SCHEMA {_name(schema)} CASCADE")
            done += [f"EXTENSION - {extension} ", f"COMMENT - EXTENSION {extension} "]
        self._maintain(";\n".join(statements), fresh)
        return done

    def _fill(self, path: str, fresh: str, done: list[str]) -> None:
        """Load the snapshot into the database ``fresh``, as the app's role, without what is done.

        Each line of a list of contents begins with three numbers.
        """
        with open(path, "rb") as file:
            contents = self._run("Reading the snapshot", ["pg_restore", "--list"], stdin=file)
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
            self._run(
                f"Restoring the database {self.alias!r}",
                [*argv, f"--use-list={chosen.name}", f"--dbname={fresh}"],
                stdin=file,
            )

    # -- ways to ask -----------------------------------------------------------------------------

    @cached_property
    def _known(self) -> dict[str, Any]:
        """What the app's own connection shows: name, role, started, may_create."""
        found: dict[str, Any] = json.loads(
            self._ask(
                "SELECT json_build_object('name', datname, 'role', current_user, "
                "'started', pg_postmaster_start_time()::text, "
                "'may_create', rolsuper OR (rolcreatedb AND pg_has_role(datdba, 'USAGE'))) "
                "FROM pg_database, pg_roles "
                "WHERE datname = current_database() AND rolname = current_user"
            )
        )
        return found

    @cached_property
    def _has_superuser(self) -> bool:
        """Whether the server is this host's own, so that root can be its superuser.

        Another server may listen on the same port here: it is the same one if it was started at
        the same microsecond.
        """
        if self.host not in _THIS_HOST and not self.host.startswith("/"):
            return False
        asked = self._as_superuser(
            "SELECT usesuper AND pg_postmaster_start_time() = "
            f"{_text(self._known['started'])}::timestamptz FROM pg_user "
            "WHERE usename = current_user",
            _MAINTENANCE,
        )
        return asked is not None and asked.strip() == "t"

    def _as_superuser(self, sql: str, database: str) -> str | None:
        """What psql answers to the system's own user of the server; None where it cannot ask."""
        try:
            pwd.getpwnam(_SUPERUSER)
        except KeyError:
            return None
        shown = run(["psql", *_PSQL], user=_SUPERUSER, environment=self._local(database), stdin=sql)
        return shown.stdout if shown.returncode == 0 else None

    def _local(self, database: str) -> dict[str, str]:
        """What leads the system's own user of the server there: the socket, and no password."""
        variables = {"PGDATABASE": database, "PGCONNECT_TIMEOUT": "10"}
        if self.port:
            variables["PGPORT"] = self.port
        if self.host.startswith("/"):
            variables["PGHOST"] = self.host
        return variables

    def _maintain(self, sql: str, database: str = _MAINTENANCE) -> None:
        """Run statements as somebody who may make and rename databases. Raises GreenroomError."""
        what = f"Preparing to restore the database {self.alias!r}"
        if self._has_superuser:
            must_run(
                what,
                ["psql", *_PSQL],
                user=_SUPERUSER,
                environment=self._local(database),
                stdin=sql,
            )
        else:
            self._run(what, ["psql", *_PSQL], database=database, stdin=sql)

    def _ask(self, sql: str) -> str:
        """What psql answers to the app."""
        what = f"Asking the database {self.alias!r}"
        return self._run(what, ["psql", *_PSQL], stdin=sql).rstrip("\n")

    def _run(
        self,
        what: str,
        argv: list[str],
        database: str | None = None,
        stdin: str | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> str:
        """Run one of PostgreSQL's tools as the app, and return what it printed."""
        try:
            return must_run(
                what,
                argv,
                user=self.app.user,
                environment=self._environment(database),
                stdin=stdin,
                stdout=stdout,
            )
        except GreenroomError as error:
            said = str(error)
            if self._password:
                said = said.replace(self._password, "********")
            if said.endswith(f"{argv[0]} is not on this host."):
                said += " It comes with: app_system_packages: [postgresql-client]"
            raise GreenroomError(said) from None

    def _environment(self, database: str | None) -> dict[str, str]:
        """How the tools find the database. Here and not in their arguments, which all can see."""
        variables = {
            _VARIABLES[key]: str(value) for key, value in self.options.items() if key in _VARIABLES
        }
        given = {
            "PGHOST": self.host,
            "PGPORT": self.port,
            "PGUSER": self._role,
            "PGPASSWORD": self._password,
            "PGDATABASE": database or self.name,
        }
        variables.update({key: value for key, value in given.items() if value})
        variables.setdefault("PGCONNECT_TIMEOUT", "10")
        return variables


# Nothing of the user's own, the first error ends it, and columns are apart by tabs.
_PSQL = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align"]
_PSQL += ["--field-separator=\t", "--set=ON_ERROR_STOP=1"]

# Settings whose value is a list of names with quotes of their own, as pg_dump knows them.
_LISTS_OF_NAMES = (
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
)


def _name(text: str) -> str:
    """A name for SQL."""
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    """A text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def _names(value: str) -> list[str]:
    """Texts for SQL of a list of names, such as ``app, "$user"``."""
    return [
        _text(quoted.replace('""', '"') or plain)
        for quoted, plain in re.findall(r'"((?:[^"]|"")*)"|([^,\s"]+)', value)
    ]


def _grants(column: str) -> str:
    """SQL for who may do what, as pairs; null where nobody ever said."""
    return (
        "(SELECT json_agg(json_build_array(privilege_type, CASE grantee WHEN 0 THEN NULL "
        f"ELSE pg_get_userbyid(grantee) END)) FROM aclexplode({column}))"
    )


def _sql_of_grants(what: str, grants: list[tuple[str, str | None]] | None) -> list[str]:
    """What lets those, and nobody else, do that with ``what``. Their names come from the server."""
    if grants is None:
        return []
    return [
        f"REVOKE ALL ON {what} FROM PUBLIC",
        *(
            f"GRANT {privilege} ON {what} TO {_name(grantee) if grantee else 'PUBLIC'}"
            for privilege, grantee in grants
        ),
    ]
