# PRIVATE to the collection: an app's PostgreSQL database, as one that can be kept and put back.
from __future__ import annotations

import json
import os
import pwd
import re
import secrets
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
_LONGEST_ANSWER = 16 * 2**20  # bytes; the names of ten thousand migrations are far below it
_TIMEOUT = 300  # seconds for an answer

# A session of the superuser's is what it is, whatever the role, or the owner of the database, set
# for sessions: these win over ALTER ROLE … SET and ALTER DATABASE … SET. Names are looked up in
# pg_catalog alone, and a backslash ends no text.
_NEUTRAL = {
    "search_path": "pg_catalog",
    "standard_conforming_strings": "on",
    "role": "none",
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
}


class Postgresql:
    """One PostgreSQL database. Its tools run as the app's user, with the app's own password.

    Where the server is this host's own, what the app's role may not do is done by ``postgres``:
    making and renaming databases. What the app wrote is never run with more than the app's rights,
    and what it answers is never part of a statement of the superuser's: that one asks its own
    catalogues.
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
            "SELECT coalesce(sum(pg_catalog.pg_table_size(oid)), 0)::bigint / 2 "
            "FROM pg_catalog.pg_class WHERE relkind IN ('r', 'm') AND relnamespace NOT IN "
            "(SELECT oid FROM pg_catalog.pg_namespace "
            "WHERE nspname IN ('pg_catalog', 'information_schema'))"
        )
        if not re.fullmatch("[0-9]{1,18}", found):
            raise self._no_answer(found)
        return int(found)

    def migrations(self) -> list[str]:
        """The names of the migrations that were applied to it, in their order."""
        if self._ask("SELECT pg_catalog.to_regclass('django_migrations') IS NOT NULL") != "t":
            return []
        names = self._ask("SELECT app || '.' || name FROM django_migrations ORDER BY id")
        # It is the app's own table. What no file can be called must not get to a terminal.
        return [name for name in names.splitlines() if name.isprintable()]

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
            f"make, and the server's superuser makes one on its own host alone, and for the owner "
            f"of the database. For the time of the restore, let it: ALTER ROLE "
            f"{self._known['role']} CREATEDB; it must own the database."
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
            self._maintain(_sql_of_creation(fresh, about))
            done = self._make_what_is_not_the_apps(fresh)
            self._maintain(_sql_of_handing_over(fresh, about))
            self._fill(path, fresh, done)
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
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
            f"WHERE datname IN ({_text(name)}, {_text(fresh)});\n"
            "BEGIN;\n"
            f"ALTER DATABASE {_name(name)} RENAME TO {_name(before)};\n"
            f"ALTER DATABASE {_name(fresh)} RENAME TO {_name(name)};\n"
            "COMMIT;"
        )

    def replaced(self) -> list[str]:
        """The databases that were kept at a swap, oldest first."""
        start = self._derived("_before_" + "0" * 16)[:-16]
        return list(
            self._read(
                "SELECT coalesce(pg_catalog.json_agg(datname ORDER BY datname), '[]') "
                f"FROM pg_catalog.pg_database WHERE {self._is_the_apps('datdba')} "
                f"AND pg_catalog.left(datname, {len(start)}) = {_text(start)} AND "
                f"pg_catalog.substr(datname, {len(start) + 1}) ~ '^[0-9]{{8}}t[0-9]{{6}}z$'"
            )
        )

    def drop(self, name: str) -> None:
        """Remove a database that was kept, or a fresh one that is not wanted.

        One of that name that is somebody else's stays: it is the app's, or who asks was making it.
        """
        self._maintain(
            f"SELECT 'DROP DATABASE ' || {_text(_name(name))} FROM pg_catalog.pg_database "
            f"WHERE datname = {_text(name)} AND ({self._is_the_apps('datdba')} "
            "OR pg_catalog.pg_get_userbyid(datdba) = current_user) \\gexec"
        )

    def _derived(self, suffix: str) -> str:
        """A name that begins with this database's own, as far as there is room."""
        name = str(self._known["name"]).encode()[: _LONGEST_NAME - len(suffix)]
        return name.decode(errors="ignore") + suffix

    def _is_the_apps(self, owner: str) -> str:
        """SQL for whether what a role ``owner`` has is the app's too."""
        return f"pg_catalog.pg_has_role({_text(self._known['role'])}, {owner}, 'USAGE')"

    def _about(self) -> dict[str, Any]:
        """What a database like this one is made with, and its owner, who may connect, settings."""
        which = f"datname = {_text(self._known['name'])}"
        about = dict(
            self._read(
                f"SELECT pg_catalog.row_to_json(d) FROM pg_catalog.pg_database d WHERE {which}"
            )
        )
        owner, encoding, grants, settings = self._read(
            "SELECT pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(datdba), "
            f"pg_catalog.pg_encoding_to_char(encoding), {_grants('datacl')}, "
            # What ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET once said of it.
            "(SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array("
            "CASE setrole WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(setrole) END, "
            "setconfig)), '[]') FROM pg_catalog.pg_db_role_setting WHERE setdatabase = d.oid)) "
            f"FROM pg_catalog.pg_database d WHERE {which}"
        )
        return {**about, "owner": owner, "encoded": encoding, "grants": grants, "set": settings}

    def _make_what_is_not_the_apps(self, fresh: str) -> list[str]:
        """Make the schemas and extensions that the app's role may not make.

        They are those of the present database, which some superuser chose, and not those that the
        snapshot names: the app could have written anything in there. Returned is how lines of a
        snapshot's list of contents begin that are done with.
        """
        if not self._has_superuser:
            return []
        schemas, extensions = self._read(
            "WITH e AS (SELECT extname, extnamespace FROM pg_catalog.pg_extension "
            f"WHERE extname <> 'plpgsql' AND NOT {self._is_the_apps('extowner')}) "
            "SELECT pg_catalog.json_build_array((SELECT coalesce(pg_catalog.json_agg("
            "pg_catalog.json_build_array(nspname, pg_catalog.pg_get_userbyid(nspowner), "
            f"{self._is_the_apps('nspowner')}, {_grants('nspacl')})), '[]') "
            "FROM pg_catalog.pg_namespace n WHERE nspname !~ '^pg_' "
            f"AND nspname <> 'information_schema' AND (NOT {self._is_the_apps('nspowner')} "
            "OR n.oid IN (SELECT extnamespace FROM e))), "
            "(SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(extname, nspname)), "
            "'[]') FROM e JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace))",
            self._known["name"],
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
        return [re.sub("[\r\n]", " ", line) for line in done]  # as pg_restore prints names

    def _fill(self, path: str, fresh: str, done: list[str]) -> None:
        """Load the snapshot into the database ``fresh``, as the app's role, without what is done.

        Each line of a list of contents begins with three numbers.
        """
        with open(path, "rb") as file:
            contents = self._answer("Reading the snapshot", ["pg_restore", "--list"], stdin=file)
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
        """The database, and the role that the app has there: name, role, may_create.

        They are as the superuser found them, where there is one; else as the app says, who then
        does everything itself.
        """
        if self._shown:
            return {**self._shown, "may_create": True}
        found = self._json(
            self._ask(
                "SELECT pg_catalog.json_build_object('name', datname, 'role', current_user, "
                "'may_create', rolsuper OR (rolcreatedb AND pg_catalog.pg_has_role(datdba, "
                "'USAGE'))) FROM pg_catalog.pg_database, pg_catalog.pg_roles "
                "WHERE datname = pg_catalog.current_database() AND rolname = current_user"
            )
        )
        if not isinstance(found, dict):
            raise self._no_answer(str(found))
        return found

    @property
    def _has_superuser(self) -> bool:
        """Whether root can be the server's superuser, and the app showed what is its own there."""
        return self._shown is not None

    @cached_property
    def _shown(self) -> dict[str, Any] | None:
        """The database that the app showed to be its own, and its role there: name, role.

        Only a session of a role can set something for that role in a database; and the superuser
        looks for it. So neither what the settings say of the server counts, which may be another
        one on the same port, nor what the app says of itself. None where it cannot be shown.
        """
        if self.host not in _THIS_HOST and not self.host.startswith("/"):
            return None
        asked = self._as_superuser(
            "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        )
        if asked is None or asked.strip() != "t":
            return None
        mark = f"greenroom-{secrets.token_hex(16)}"
        try:
            self._set_for_itself(f"SET application_name TO {_text(mark)}")
            found = self._as_superuser(
                "SELECT pg_catalog.json_build_object('name', datname, 'role', rolname) "
                "FROM pg_catalog.pg_db_role_setting JOIN pg_catalog.pg_roles r ON r.oid = setrole "
                "JOIN pg_catalog.pg_database ON setdatabase = pg_database.oid "
                f"WHERE {_text(f'application_name={mark}')} = ANY (setconfig) "
                "AND pg_catalog.pg_has_role(r.oid, datdba, 'USAGE') LIMIT 1"
            )
        finally:
            self._set_for_itself("RESET application_name")
        return json.loads(found) if found and found.strip() else None

    def _set_for_itself(self, what: str) -> None:
        """Have the app's role say what holds for its own sessions in the database."""
        statement = _text(f"ALTER ROLE CURRENT_USER IN DATABASE %I {what}")
        self._ask(f"SELECT pg_catalog.format({statement}, pg_catalog.current_database()) \\gexec")

    def _as_superuser(self, sql: str, database: str = _MAINTENANCE) -> str | None:
        """What psql answers to the system's own user of the server; None where it cannot ask."""
        try:
            pwd.getpwnam(_SUPERUSER)
        except KeyError:
            return None
        environment = self._local(database)
        shown = run(["psql", *_PSQL], user=_SUPERUSER, environment=environment, stdin=sql)
        return shown.stdout if shown.returncode == 0 else None

    def _local(self, database: str) -> dict[str, str]:
        """What leads the system's own user of the server there: the socket, and no password."""
        variables = {
            "PGDATABASE": database,
            "PGCONNECT_TIMEOUT": "10",
            "PGREQUIREPEER": _SUPERUSER,  # the app can listen on a socket too
            "PGCLIENTENCODING": "UTF8",
            "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in _NEUTRAL.items()),
        }
        if self.port:
            variables["PGPORT"] = self.port
        if self.host.startswith("/"):
            variables["PGHOST"] = self.host
        return variables

    def _maintain(self, sql: str, database: str = _MAINTENANCE) -> str:
        """Run statements as somebody who may make and rename databases; what psql prints.

        Raises GreenroomError.
        """
        what = f"Preparing to restore the database {self.alias!r}"
        if not self._has_superuser:
            return self._run(what, ["psql", *_PSQL], database=database, stdin=sql)
        environment = self._local(database)
        return must_run(what, ["psql", *_PSQL], user=_SUPERUSER, environment=environment, stdin=sql)

    def _read(self, sql: str, database: str = _MAINTENANCE) -> Any:
        """What the catalogues have, in JSON, for who may make and rename databases."""
        if self._has_superuser:
            return json.loads(self._maintain(sql, database))
        return self._json(self._ask(sql))

    def _ask(self, sql: str) -> str:
        """What psql answers to the app."""
        return self._answer(
            f"Asking the database {self.alias!r}", ["psql", *_PSQL], stdin=sql
        ).rstrip("\n")

    def _json(self, answer: str) -> Any:
        try:
            return json.loads(answer)
        except ValueError as error:
            raise self._no_answer(answer) from error

    def _no_answer(self, answer: str) -> GreenroomError:
        return GreenroomError(
            f"The database {self.alias!r} answered {answer[:80]!a}, which is not what was "
            "asked for. Something in it has the name of one of PostgreSQL's own tables."
        )

    def _answer(self, what: str, argv: list[str], **options: Any) -> str:
        """What one of PostgreSQL's tools answers to the app, which may say no more than it ought.

        It goes to a file that cannot grow any larger.
        """
        with tempfile.TemporaryFile() as file:
            limited = ["prlimit", f"--fsize={_LONGEST_ANSWER}", *argv]
            try:
                self._run(what, limited, stdout=file, timeout=_TIMEOUT, **options)
            except GreenroomError as error:
                if error.details.get("exit_code") == 127:
                    said = f"{what} failed: {argv[0]} is not on this host.{_PACKAGE}"
                    raise GreenroomError(said) from None
                if os.fstat(file.fileno()).st_size < _LONGEST_ANSWER:
                    raise
                raise GreenroomError(
                    f"{what} failed: it answered more than {_LONGEST_ANSWER >> 20} MiB."
                ) from error
            file.seek(0)
            return file.read().decode(errors="replace")

    def _run(
        self,
        what: str,
        argv: list[str],
        database: str | None = None,
        stdin: str | IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
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
                timeout=timeout,
            )
        except GreenroomError as error:
            said = str(error)
            if self._password:
                said = said.replace(self._password, "********")
            if said.endswith(f"{argv[0]} is not on this host."):
                said += _PACKAGE
            raise GreenroomError(said, **error.details) from None

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

_PACKAGE = " It comes with: app_system_packages: [postgresql-client]"

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


def _sql_of_creation(fresh: str, about: dict[str, Any]) -> str:
    """What makes an empty database like another one, into which nobody gets yet."""
    create = (
        f"CREATE DATABASE {_name(fresh)} TEMPLATE template0 CONNECTION LIMIT 0 "
        f"ENCODING {_text(about['encoded'])} LC_COLLATE {_text(about['datcollate'])} "
        f"LC_CTYPE {_text(about['datctype'])}"
    )
    locale = str(about.get("datlocale") or about.get("daticulocale"))
    if about.get("datlocprovider") == "i":
        create += f" LOCALE_PROVIDER icu ICU_LOCALE {_text(locale)}"
    elif about.get("datlocprovider") == "b":
        create += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {_text(locale)}"
    return create


def _sql_of_handing_over(fresh: str, about: dict[str, Any]) -> str:
    """What gives the database ``fresh`` the owner of another one, its grants and its settings."""
    statements = [
        f"ALTER DATABASE {_name(fresh)} OWNER TO {_name(about['owner'])}",
        f"ALTER DATABASE {_name(fresh)} CONNECTION LIMIT {int(about['datconnlimit'])}",
        *_sql_of_grants(f"DATABASE {_name(fresh)}", about["grants"]),
    ]
    for role, settings in about["set"]:
        whose = f"ROLE {_name(role)} IN DATABASE" if role else "DATABASE"
        for setting in settings:
            name, _, value = setting.partition("=")
            words = [_text(value)] if name not in _LISTS_OF_NAMES else _names(value)
            statements.append(
                f"ALTER {whose} {_name(fresh)} SET {_name(name)} TO {', '.join(words)}"
            )
    return ";\n".join(statements)


def _grants(column: str) -> str:
    """SQL for who may do what, as pairs; null where nobody ever said."""
    return (
        "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array(privilege_type, "
        "CASE grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(grantee) END)) "
        f"FROM pg_catalog.aclexplode({column}))"
    )


def _sql_of_grants(what: str, grants: list[tuple[str, str | None]] | None) -> list[str]:
    """What lets those, and nobody else, do that with ``what``."""
    if grants is None:
        return []
    if strange := [privilege for privilege, _ in grants if not re.fullmatch("[A-Z ]+", privilege)]:
        raise GreenroomError(f"There is no privilege {strange[0]!r}.")
    return [
        f"REVOKE ALL ON {what} FROM PUBLIC",
        *(
            f"GRANT {privilege} ON {what} TO {_name(grantee) if grantee else 'PUBLIC'}"
            for privilege, grantee in grants
        ),
    ]
