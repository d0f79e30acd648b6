# PRIVATE to the collection: PostgreSQL's own tools, run for an app's database.
from __future__ import annotations

import json
import os
import pwd
import secrets
import tempfile
from functools import cached_property
from typing import IO, Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import must_run, run
from ansible_collections.greenroom.django.plugins.module_utils._database.postgresql_sql import (
    quote_text,
)
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
MAINTENANCE = "postgres"  # the database to be in while others are made and renamed
_LONGEST_ANSWER = 16 * 2**20  # bytes; the names of ten thousand migrations are far below it
_ANSWER_TIMEOUT = 300  # seconds for an answer

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

# Nothing of the user's own, the first error ends it, and columns are apart by tabs.
PSQL = ["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align"]
PSQL += ["--field-separator=\t", "--set=ON_ERROR_STOP=1"]

_PACKAGE = " It comes with: app_system_packages: [postgresql-client]"


class Client:
    """Who asks an app's database: the app, with its own password, or the server's superuser."""

    def __init__(self, app: App, alias: str, connection: dict[str, Any]) -> None:
        self.app = app
        self.alias = alias
        self.options = dict(connection.get("options") or {})
        self.name = str(connection["name"])
        if not self.name and "service" not in self.options:
            self.name = MAINTENANCE  # as Django has it
        self.host = str(connection.get("host") or "")
        self.port = str(connection.get("port") or "")
        self._password = str(connection.get("password") or "")
        self._role = str(connection.get("user") or "")

    @cached_property
    def known(self) -> dict[str, Any]:
        """The database, and the role that the app has there: name, role, may_create.

        They are as the superuser found them, where there is one; else as the app says, who then
        does everything itself.
        """
        if self.shown:
            return {**self.shown, "may_create": True}
        found = self.as_json(
            self.ask(
                "SELECT pg_catalog.json_build_object('name', datname, 'role', current_user, "
                "'may_create', rolsuper OR (rolcreatedb AND pg_catalog.pg_has_role(datdba, "
                "'USAGE'))) FROM pg_catalog.pg_database, pg_catalog.pg_roles "
                "WHERE datname = pg_catalog.current_database() AND rolname = current_user"
            )
        )
        if not isinstance(found, dict):
            raise self.no_answer(str(found))
        return found

    @property
    def has_superuser(self) -> bool:
        """Whether root can be the server's superuser, and the app showed what is its own there."""
        return self.shown is not None

    @cached_property
    def shown(self) -> dict[str, Any] | None:
        """The database that the app showed to be its own, and its role there: name, role.

        Only a session of a role can set something for that role in a database; and the superuser
        looks for it. So neither what the settings say of the server counts, which may be another
        one on the same port, nor what the app says of itself. None where it cannot be shown.
        """
        if self.host not in _THIS_HOST and not self.host.startswith("/"):
            return None
        asked = self.as_superuser(
            "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
        )
        if asked is None or asked.strip() != "t":
            return None
        mark = f"greenroom-{secrets.token_hex(16)}"
        try:
            self.set_for_itself(f"SET application_name TO {quote_text(mark)}")
            found = self.as_superuser(
                "SELECT pg_catalog.json_build_object('name', datname, 'role', rolname) "
                "FROM pg_catalog.pg_db_role_setting JOIN pg_catalog.pg_roles r ON r.oid = setrole "
                "JOIN pg_catalog.pg_database ON setdatabase = pg_database.oid "
                f"WHERE {quote_text(f'application_name={mark}')} = ANY (setconfig) "
                "AND pg_catalog.pg_has_role(r.oid, datdba, 'USAGE') LIMIT 1"
            )
        finally:
            self.set_for_itself("RESET application_name")
        return json.loads(found) if found and found.strip() else None

    def set_for_itself(self, what: str) -> None:
        """Have the app's role say what holds for its own sessions in the database."""
        statement = quote_text(f"ALTER ROLE CURRENT_USER IN DATABASE %I {what}")
        self.ask(f"SELECT pg_catalog.format({statement}, pg_catalog.current_database()) \\gexec")

    def as_superuser(self, sql: str, database: str = MAINTENANCE) -> str | None:
        """What psql answers to the system's own user of the server; None where it cannot ask."""
        try:
            pwd.getpwnam(_SUPERUSER)
        except KeyError:
            return None
        environment = self.local(database)
        shown = run(["psql", *PSQL], user=_SUPERUSER, environment=environment, stdin=sql)
        return shown.stdout if shown.returncode == 0 else None

    def local(self, database: str) -> dict[str, str]:
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

    def maintain(self, sql: str, database: str = MAINTENANCE) -> str:
        """Run statements as somebody who may make and rename databases; what psql prints.

        Raises GreenroomError.
        """
        what = f"Preparing to restore the database {self.alias!r}"
        if not self.has_superuser:
            return self.run(what, ["psql", *PSQL], database=database, stdin=sql)
        environment = self.local(database)
        return must_run(what, ["psql", *PSQL], user=_SUPERUSER, environment=environment, stdin=sql)

    def read(self, sql: str, database: str = MAINTENANCE) -> Any:
        """What the catalogues have, in JSON, for who may make and rename databases."""
        if self.has_superuser:
            return json.loads(self.maintain(sql, database))
        return self.as_json(self.ask(sql))

    def ask(self, sql: str) -> str:
        """What psql answers to the app."""
        return self.answer(
            f"Asking the database {self.alias!r}", ["psql", *PSQL], stdin=sql
        ).rstrip("\n")

    def as_json(self, answer: str) -> Any:
        try:
            return json.loads(answer)
        except ValueError as error:
            raise self.no_answer(answer) from error

    def no_answer(self, answer: str) -> GreenroomError:
        return GreenroomError(
            f"The database {self.alias!r} answered {answer[:80]!a}, which is not what was "
            "asked for. Something in it has the name of one of PostgreSQL's own tables."
        )

    def answer(self, what: str, argv: list[str], **options: Any) -> str:
        """What one of PostgreSQL's tools answers to the app, which may say no more than it ought.

        It goes to a file that cannot grow any larger.
        """
        with tempfile.TemporaryFile() as file:
            limited = ["prlimit", f"--fsize={_LONGEST_ANSWER}", *argv]
            try:
                self.run(what, limited, stdout=file, timeout=_ANSWER_TIMEOUT, **options)
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

    def run(
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
                environment=self.environment(database),
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

    def environment(self, database: str | None) -> dict[str, str]:
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
