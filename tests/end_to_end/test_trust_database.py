"""The app's database role against the superuser: it has all that is its own, and nothing else.

What is asked of PostgreSQL on the way of a snapshot and a restore could be answered by what the
role made: views named like catalogues, functions and operators, and a search_path that has them
looked up first. The tests are one story on one host, told in their order; whatever is tried, a
restore works in the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from host import Host, PlaybookRun
from project import HOME, Project

from tests.end_to_end.test_backups import add, back_up, psql, snapshots

pytestmark = pytest.mark.story

SETTINGS = """
from urllib.parse import unquote, urlsplit

ADDRESS = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": ADDRESS.path.lstrip("/"),
    "USER": ADDRESS.username,
    "PASSWORD": unquote(ADDRESS.password),
    "HOST": ADDRESS.hostname,
    "PORT": ADDRESS.port,
}}
"""

#: what a program that was run as postgres would leave
TRACE = "/var/tmp/became-postgres"
RUN = f"COPY (SELECT 1) TO PROGRAM 'touch {TRACE}'"

#: A name that ends every quote there is, and has a word for psql's own in it.
NASTY = """we"i'rd; \\! touch /var/tmp/became-postgres --\n$$ :x :'x' %I"""

#: of pg_database
COLUMNS = """
oid datname datdba encoding datlocprovider datistemplate datallowconn datconnlimit datfrozenxid
datminmxid dattablespace datcollate datctype daticulocale datcollversion datacl
""".split()  # noqa: SIM905


def name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def as_app(host: Host, sql: str, database: str = "playbill") -> str:
    """Run SQL as the app's role does it, which has the password."""
    url = host.shell('. /etc/playbill/database.env && printf %s "$DATABASE_URL"')
    address = url.rpartition("/")[0] + "/" + database
    argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", address]
    return host.run(argv, user="playbill", stdin=sql).stdout.strip()


def became_postgres(host: Host) -> bool:
    """Whether something ran as the superuser."""
    return host.run(["test", "-e", TRACE], check=False).returncode == 0


def restore(project: Project, snapshot: str, *arguments: str) -> PlaybookRun:
    return project.host.playbook("restore.yml", "-e", f"snapshot={snapshot}", *arguments)


@pytest.fixture(scope="module")
def site(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A site on the PostgreSQL that Greenroom made, beside another app's database."""
    project = Project.make(host, tmp_path_factory.mktemp("trust-database"))
    project.variables["app_database"] = "postgresql"
    project.commit(
        {"requirements.txt": "django==5.2.18\npsycopg[binary]==3.2.13\n"}, settings=SETTINGS
    )
    project.configure()
    host.prepare("database")
    project.deploy()
    add(project, "first")
    psql(host, "CREATE ROLE other")
    psql(host, "CREATE DATABASE other OWNER other")
    psql(host, "CREATE TABLE precious AS SELECT 1 AS row", "other")
    return project


@pytest.fixture
def evil(site: Project) -> Iterator[Project]:
    """A schema of the role's that is looked at first; what is in it goes when the test has ended.

    Django's own tables go on being made in `public`.
    """
    as_app(
        site.host,
        "CREATE SCHEMA evil; ALTER ROLE playbill SET search_path = public, evil, pg_catalog;"
        "ALTER DATABASE playbill SET search_path = public, evil, pg_catalog;",
    )
    yield site
    as_app(
        site.host,
        "SET search_path = pg_catalog; DROP SCHEMA IF EXISTS evil CASCADE;"
        "ALTER ROLE playbill RESET search_path; ALTER DATABASE playbill RESET search_path;",
    )
    site.host.run(["rm", "-f", TRACE])


def pg_database(**lies: str) -> str:
    """SQL of a view that says of databases what pg_database says, but for some columns."""
    said = ", ".join(f"{lies.get(column, column)} AS {column}" for column in COLUMNS)
    return f"CREATE VIEW evil.pg_database AS SELECT {said} FROM pg_catalog.pg_database;"


def test_what_a_view_says_ends_in_no_statement_of_the_superusers(evil: Project) -> None:
    """The answer of a view named like a catalogue went unquoted into CREATE DATABASE."""
    add(evil, "second")
    snapshot = back_up(evil)
    lie = f"-1; {RUN}; --".replace("'", "''")
    as_app(evil.host, pg_database(datconnlimit=f"'{lie}'::text"))
    restore(evil, snapshot)
    assert not became_postgres(evil.host)
    assert evil.page()["notes"] == ["first", "second"]


def test_a_privilege_is_one_that_there_is(evil: Project) -> None:
    """So did the name of a privilege."""
    lie = f"CONNECT ON DATABASE template1 TO PUBLIC; {RUN}; --".replace("'", "''")
    as_app(
        evil.host,
        "CREATE FUNCTION evil.aclexplode(aclitem[]) RETURNS TABLE (grantor oid, grantee oid, "
        "privilege_type text, is_grantable boolean) LANGUAGE sql AS "
        f"$$ SELECT 10::oid, 10::oid, '{lie}'::text, false $$;",
    )
    as_app(evil.host, "ALTER ROLE playbill SET search_path = evil, pg_catalog, public")
    snapshot = back_up(evil)
    restore(evil, snapshot)
    assert not became_postgres(evil.host)
    assert evil.page()["notes"] == ["first", "second"]


def test_it_gets_no_extension_that_no_superuser_gave(evil: Project) -> None:
    """A view said which extensions there were, and the superuser made them."""
    snapshot = back_up(evil)
    as_app(
        evil.host,
        "CREATE VIEW evil.pg_extension AS SELECT 1::oid AS oid, 'dblink'::name AS extname, "
        "10::oid AS extowner, 'public'::regnamespace::oid AS extnamespace;",
    )
    as_app(evil.host, "ALTER ROLE playbill SET search_path = evil, pg_catalog, public")
    restore(evil, snapshot)
    there = psql(evil.host, "SELECT extname FROM pg_extension ORDER BY 1", "playbill")
    assert there == ["plpgsql"]


def test_the_database_of_another_is_not_swapped(evil: Project) -> None:
    """A view said that the app's database is called as another app's is."""
    snapshot = back_up(evil)
    before = psql(evil.host, "SELECT oid FROM pg_database WHERE datname = 'other'")
    as_app(
        evil.host,
        pg_database(datname="CASE datname WHEN 'playbill' THEN 'other'::name ELSE 'x'::name END")
        + "CREATE FUNCTION evil.current_database() RETURNS name LANGUAGE sql "
        "AS $$ SELECT 'other'::name $$;",
    )
    as_app(evil.host, "ALTER ROLE playbill SET search_path = evil, pg_catalog, public")
    evil.host.playbook("restore.yml", "-e", f"snapshot={snapshot}", check=False)
    assert psql(evil.host, "SELECT oid FROM pg_database WHERE datname = 'other'") == before
    assert psql(evil.host, "SELECT row FROM precious", "other") == ["1"]


def test_the_database_of_another_is_not_dropped(evil: Project) -> None:
    """A view said that another app's database is one that a restore kept."""
    as_app(
        evil.host,
        pg_database(datname="'other'::name")
        + "CREATE FUNCTION evil.left(name, integer) RETURNS text LANGUAGE sql "
        "AS $$ SELECT 'playbill_before_'::text $$;"
        "CREATE FUNCTION evil.substr(name, integer) RETURNS text LANGUAGE sql "
        "AS $$ SELECT '20200101t000000z'::text $$;"
        "CREATE FUNCTION evil.left(text, integer) RETURNS text LANGUAGE sql "
        "AS $$ SELECT 'playbill_before_'::text $$;"
        "CREATE FUNCTION evil.substr(text, integer) RETURNS text LANGUAGE sql "
        "AS $$ SELECT '20200101t000000z'::text $$;"
        "CREATE FUNCTION evil.current_database() RETURNS name LANGUAGE sql "
        "AS $$ SELECT 'other'::name $$;",
    )
    as_app(evil.host, "ALTER ROLE playbill SET search_path = evil, pg_catalog, public")
    evil.host.playbook("restore.yml", "-e", "drop_replaced=true", check=False)
    assert psql(evil.host, "SELECT row FROM precious", "other") == ["1"]


def test_no_operator_of_the_roles_is_run_when_the_host_is_prepared(evil: Project) -> None:
    """site.yml was in the app's database as the superuser, where the role says what = does."""
    as_app(
        evil.host,
        "CREATE FUNCTION evil.same(name, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
        f"{RUN}; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END $$;"
        "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.same);"
        "ALTER DATABASE playbill SET search_path = evil, pg_catalog;",
    )
    run = evil.host.prepare("database")
    assert not became_postgres(evil.host)
    assert run.recap[evil.host.container]["changed"] == 0


def test_names_that_end_every_quote(site: Project) -> None:
    """Schemas, extensions' places, roles and settings come back, whatever they are called."""
    host = site.host
    odd = name(NASTY)
    text = "'" + NASTY.replace("'", "''") + "'"
    psql(host, f"CREATE ROLE {odd}")
    psql(host, f"GRANT CONNECT ON DATABASE playbill TO {odd}")
    psql(
        host,
        f"CREATE SCHEMA {odd} AUTHORIZATION {odd}; GRANT USAGE ON SCHEMA {odd} TO playbill;"
        f"CREATE EXTENSION citext SCHEMA {odd};"
        f"ALTER ROLE {odd} IN DATABASE playbill SET application_name = {text};",
        "playbill",
    )
    # With these, a backslash would end a quoted text, and nothing could be written.
    as_app(
        host,
        "ALTER DATABASE playbill SET standard_conforming_strings = off;"
        "ALTER DATABASE playbill SET backslash_quote = on;"
        "ALTER DATABASE playbill SET role = playbill;"
        f"ALTER DATABASE playbill SET application_name = {text};",
    )
    about = (
        "SELECT json_build_array("
        "(SELECT json_agg(json_build_array(nspname, pg_get_userbyid(nspowner), nspacl::text) "
        "ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'),"
        "(SELECT json_agg(json_build_array(extname, extnamespace::regnamespace::text) "
        "ORDER BY extname) FROM pg_extension),"
        "(SELECT json_agg(json_build_array(setrole::regrole::text, setconfig) ORDER BY setrole) "
        "FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase "
        "WHERE datname = 'playbill'),"
        "(SELECT datacl::text FROM pg_database WHERE datname = 'playbill'))::jsonb"
    )
    then = " ".join(psql(host, about, "playbill"))
    snapshot = back_up(site)
    restore(site, snapshot)
    assert not became_postgres(host)
    assert json.loads(" ".join(psql(host, about, "playbill"))) == json.loads(then)
    assert site.page()["notes"] == ["first", "second"]
    as_app(host, "SET role = none; ALTER DATABASE playbill RESET ALL")


def test_it_gets_into_no_database_that_others_are_made_of(site: Project) -> None:
    """What it left in template1 or postgres, a superuser would meet."""
    address = site.host.shell('. /etc/playbill/database.env && printf %s "$DATABASE_URL"')
    base = address.rpartition("/")[0]
    for database in ("postgres", "template1"):
        for way in (f"{base}/{database}", f"dbname={database} user=playbill"):
            run = site.host.run(
                ["psql", "-XAtqw", "-c", "SELECT 1", way], user="playbill", check=False
            )
            assert run.returncode != 0, way
            assert "pg_hba.conf rejects" in run.stderr, way


def test_an_answer_without_end_is_none(evil: Project) -> None:
    """What the role's own table says is read as far as it can be true, and for so long."""
    snapshot = back_up(evil)
    names = set(snapshots(evil.host))
    as_app(
        evil.host,
        "CREATE VIEW evil.django_migrations AS SELECT i AS id, repeat('x', 1000000) AS app, "
        "'y'::text AS name FROM generate_series(1, 40) i;",
    )
    as_app(evil.host, "ALTER ROLE playbill SET search_path = evil, pg_catalog, public")
    started = time.monotonic()
    run = evil.host.playbook("backup.yml", check=False)
    assert run.returncode != 0
    assert "answered more than" in " ".join(run.output.split())
    assert time.monotonic() - started < 60
    assert set(snapshots(evil.host)) == names
    assert evil.host.shell(f"ls {HOME}/lock.json 2>/dev/null || true") == ""
    as_app(evil.host, "DROP VIEW evil.django_migrations")
    restore(evil, snapshot)


def test_a_rollback_with_its_database_still_works(site: Project) -> None:
    """Whatever it tried, the app can be gone back with, and what was replaced is dropped."""
    host = site.host
    site.commit(
        {
            "requirements.txt": "django==5.2.18\npsycopg[binary]==3.2.13\n",
            "notes/models.py": "from django.db import models\n\n\nclass Note(models.Model):\n"
            "    text = models.TextField()\n    mood = models.TextField(default='fine')\n",
            "notes/migrations/0002_mood.py": "from django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
            "    dependencies = [('notes', '0001_initial')]\n    operations = [\n"
            "        migrations.AddField('Note', 'mood', models.TextField(default='fine')),\n"
            "    ]\n",
        },
        settings=SETTINGS,
    )
    site.deploy()
    add(site, "third")
    host.playbook("rollback.yml", "-e", "restore_database=true")
    assert site.page()["notes"] == ["first", "second"]
    host.playbook("restore.yml", "-e", "drop_replaced=true")
    there = psql(host, "SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1")
    assert there == ["other", "playbill", "postgres"]
    add(site, "fourth")
    assert site.page()["notes"][-1] == "fourth"
