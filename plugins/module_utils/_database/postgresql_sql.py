# PRIVATE to the collection: statements for PostgreSQL, in which nothing from outside is SQL.
from __future__ import annotations

import re
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

# Settings whose value is a list of names with quotes of their own, as pg_dump knows them.
_LISTS_OF_NAMES = (
    "search_path",
    "temp_tablespaces",
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
    "unix_socket_directories",
)


def quote_name(text: str) -> str:
    """A name for SQL."""
    return '"' + text.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """A text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def quote_names(value: str) -> list[str]:
    """Texts for SQL of a list of names, such as ``app, "$user"``."""
    return [
        quote_text(quoted.replace('""', '"') or plain)
        for quoted, plain in re.findall(r'"((?:[^"]|"")*)"|([^,\s"]+)', value)
    ]


def create_database(fresh: str, about: dict[str, Any]) -> str:
    """What makes an empty database like another one, into which nobody gets yet."""
    create = (
        f"CREATE DATABASE {quote_name(fresh)} TEMPLATE template0 CONNECTION LIMIT 0 "
        f"ENCODING {quote_text(about['encoded'])} LC_COLLATE {quote_text(about['datcollate'])} "
        f"LC_CTYPE {quote_text(about['datctype'])}"
    )
    locale = str(about.get("datlocale") or about.get("daticulocale"))
    if about.get("datlocprovider") == "i":
        create += f" LOCALE_PROVIDER icu ICU_LOCALE {quote_text(locale)}"
    elif about.get("datlocprovider") == "b":
        create += f" LOCALE_PROVIDER builtin BUILTIN_LOCALE {quote_text(locale)}"
    return create


def hand_over(fresh: str, about: dict[str, Any]) -> str:
    """What gives the database ``fresh`` the owner of another one, its grants and its settings."""
    statements = [
        f"ALTER DATABASE {quote_name(fresh)} OWNER TO {quote_name(about['owner'])}",
        f"ALTER DATABASE {quote_name(fresh)} CONNECTION LIMIT {int(about['datconnlimit'])}",
        *grant_statements(f"DATABASE {quote_name(fresh)}", about["grants"]),
    ]
    for role, settings in about["set"]:
        whose = f"ROLE {quote_name(role)} IN DATABASE" if role else "DATABASE"
        for setting in settings:
            name, _, value = setting.partition("=")
            words = [quote_text(value)] if name not in _LISTS_OF_NAMES else quote_names(value)
            statements.append(
                f"ALTER {whose} {quote_name(fresh)} SET {quote_name(name)} TO {', '.join(words)}"
            )
    return ";\n".join(statements)


def select_grants(column: str) -> str:
    """SQL for who may do what, as pairs; null where nobody ever said."""
    return (
        "(SELECT pg_catalog.json_agg(pg_catalog.json_build_array(privilege_type, "
        "CASE grantee WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(grantee) END)) "
        f"FROM pg_catalog.aclexplode({column}))"
    )


def select_database(which: str) -> str:
    """SQL for the owner, encoding, grants and settings of the database that ``which`` is true of.

    The settings are those of ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET.
    """
    return (
        "SELECT pg_catalog.json_build_array(pg_catalog.pg_get_userbyid(datdba), "
        f"pg_catalog.pg_encoding_to_char(encoding), {select_grants('datacl')}, "
        "(SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array("
        "CASE setrole WHEN 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(setrole) END, "
        "setconfig)), '[]') FROM pg_catalog.pg_db_role_setting WHERE setdatabase = d.oid)) "
        f"FROM pg_catalog.pg_database d WHERE {which}"
    )


def select_schemas_and_extensions(has_schema: str, has_extension: str) -> str:
    """SQL for the schemas and extensions that the app's role may not make.

    The arguments are SQL for whether the app has a schema, and an extension.
    """
    return (
        "WITH e AS (SELECT extname, extnamespace FROM pg_catalog.pg_extension "
        f"WHERE extname <> 'plpgsql' AND NOT {has_extension}) "
        "SELECT pg_catalog.json_build_array((SELECT coalesce(pg_catalog.json_agg("
        "pg_catalog.json_build_array(nspname, pg_catalog.pg_get_userbyid(nspowner), "
        f"{has_schema}, {select_grants('nspacl')})), '[]') "
        "FROM pg_catalog.pg_namespace n WHERE nspname !~ '^pg_' "
        f"AND nspname <> 'information_schema' AND (NOT {has_schema} "
        "OR n.oid IN (SELECT extnamespace FROM e))), "
        "(SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(extname, nspname)), "
        "'[]') FROM e JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace))"
    )


def grant_statements(what: str, grants: list[tuple[str, str | None]] | None) -> list[str]:
    """What lets those, and nobody else, do that with ``what``."""
    if grants is None:
        return []
    if strange := [privilege for privilege, _ in grants if not re.fullmatch("[A-Z ]+", privilege)]:
        raise GreenroomError(f"There is no privilege {strange[0]!r}.")
    return [
        f"REVOKE ALL ON {what} FROM PUBLIC",
        *(
            f"GRANT {privilege} ON {what} TO {quote_name(grantee) if grantee else 'PUBLIC'}"
            for privilege, grantee in grants
        ),
    ]
