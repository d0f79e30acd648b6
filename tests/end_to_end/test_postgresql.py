"""PostgreSQL by one setting: on the app's own host, and then on a host of its own.

The first host starts with SQLite, as all do, and goes back to it in the end. No password is where
it should not be, at the highest verbosity.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from example import Example, settings
from host import Host, PlaybookRun, ansible_playbook, write_inventory

KEPT = "/var/lib/greenroom-playbill-database-password"
TOLD = "/etc/playbill/database.env"
#: of the kind that breaks addresses, files and statements; the last part is what is looked for
CHOSEN = "a/b@c:d %e'f\"g$h\\i#nobody-may-read-this"
TRACE = "nobody-may-read-this"

# Reads every command line on the host, again and again, until it is told to stop.
SAMPLER = """
import glob, os, time
found = set()
while not os.path.exists("/run/stop-sampling"):
    time.sleep(0.005)
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file: line = file.read()
        except OSError: continue
        if b"nobody-may-read" b"-this" in line: found.add(line.decode(errors="replace"))
with open("/root/found", "w") as file: file.write("\\n".join(sorted(found)))
"""


def configure(host: Host, **more: Any) -> None:
    """Have the host's playbooks use PostgreSQL, or what is said here, from now on."""
    path = host.last_inventory
    own = json.loads(path.read_text())["staging"]["hosts"][host.container]
    kept = {key: value for key, value in own.items() if key.startswith("app_")}
    host.inventory(path, **{**kept, "app_database": "postgresql", **more})


def sql(host: Host, statement: str, database: str = "playbill") -> str:
    """What PostgreSQL answers its own administrator."""
    psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", database]
    return host.run([*psql, "--command", statement], user="postgres").stdout.strip()


def url(host: Host) -> str:
    """The address that the app gets, as the service manager reads it."""
    script = f'. {TOLD} && printf %s "$DATABASE_URL"'
    return host.shell(script)


def enters(host: Host, address: str, user: str = "nobody", **environment: str) -> tuple[bool, str]:
    """Whether that address lets a user of the host into the database, and what is said."""
    argv = ["env", *(f"{name}={value}" for name, value in environment.items())]
    run = host.run(
        [*argv, "psql", "--no-psqlrc", "--no-password", address, "--command", "SELECT 1"],
        user=user,
        check=False,
    )
    return run.returncode == 0, run.stderr


def where(host: Host, text: str) -> set[str]:
    """The files, and the host's journal, that have a text in them.

    It is handed over by standard input, since sudo notes every command in the journal.
    """
    script = """
umask 077; cat >/run/traces
grep -rlsFf /run/traces /etc /var/lib /var/log/postgresql /var/tmp /srv /tmp /root /home
journalctl --no-pager --all --output=cat | grep -qFf /run/traces && echo journal
rm /run/traces
"""
    return set(host.run(["sh", "-c", script], stdin=text, check=False).stdout.split())


def announce(host: Host, title: str) -> None:
    """Fill in the site's form, as a visitor would."""
    script = f"""
import re, sys, urllib.parse, urllib.request
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
page = opener.open("http://localhost/shows/new/").read().decode()
token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
form = {{"csrfmiddlewaretoken": token, "title": {title!r}, "description": "One night only.",
         "date": "2030-01-01", "stage": ""}}
opener.open("http://localhost/shows/new/", urllib.parse.urlencode(form).encode())
"""
    host.run(["python3", "-"], stdin=script)


def listening(host: Host) -> set[str]:
    """The addresses on which something listens on PostgreSQL's port."""
    script = """
import ipaddress, struct
for name in ("tcp", "tcp6"):
    for line in open(f"/proc/net/{name}").readlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, port = local.split(":")
        if state == "0A" and int(port, 16) == 5432:
            words = [int(address[i:i + 8], 16) for i in range(0, len(address), 8)]
            print(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))
"""
    return set(host.run(["python3", "-"], stdin=script).stdout.split())


def changes(run: PlaybookRun) -> dict[str, int]:
    """How many tasks changed something, for each host."""
    return {host: counts["changed"] for host, counts in run.recap.items()}


# -- on the app's own host ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(host: Host, playbill: Example) -> Host:
    """A host that serves from SQLite, and was told since that it should be PostgreSQL."""
    playbill.set_branch("staging", "v2")
    host.playbook("deploy.yml")
    configure(host)
    return host


def test_a_dry_run_where_nothing_of_it_is_there(home: Host) -> None:
    before = home.checksum("/etc", KEPT)
    run = home.playbook("site.yml", "--check", "--diff")
    assert changes(run)[home.container] > 0
    assert home.checksum("/etc", KEPT) == before


def test_one_setting_brings_it(home: Host) -> None:
    first = home.playbook("site.yml", "-vvv", "--diff")
    assert unquote(urlsplit(url(home)).password or "") not in first.output
    assert re.fullmatch(r"postgres://playbill:[A-Za-z0-9]{40}@localhost:5432/playbill", url(home))
    # The release that serves goes on with SQLite: the tables are not there yet.
    assert home.get("/health/").status == 200
    run = home.playbook("deploy.yml")
    assert "Release 2" in run.stdout, "it is the same revision, and another release"
    assert home.get("/health/").status == 200


def test_what_visitors_write_is_there(home: Host) -> None:
    announce(home, "Žluťoučký kůň")
    assert "Žluťoučký kůň" in home.get("/").text
    assert sql(home, "SELECT title FROM shows_show") == "Žluťoučký kůň"
    assert sql(home, "SHOW server_encoding") == "UTF8"


@pytest.mark.parametrize("options", [[], ["--check", "--diff"]], ids=["again", "a dry run"])
def test_a_second_time_changes_nothing(home: Host, options: list[str]) -> None:
    before = home.checksum("/etc", KEPT)
    started = home.shell("systemctl show --property=MainPID 'postgresql@*' 'playbill@2'")
    run = home.playbook("site.yml", *options)
    assert changes(run) == {home.container: 0}
    assert home.checksum("/etc", KEPT) == before
    assert home.shell("systemctl show --property=MainPID 'postgresql@*' 'playbill@2'") == started
    assert changes(home.playbook("deploy.yml", *options)) == {home.container: 0}


def test_who_can_read_the_password(home: Host) -> None:
    modes = home.shell(f"stat -c '%n %U:%G %a' {TOLD} {KEPT}").splitlines()
    assert modes == [f"{TOLD} root:playbill 640", f"{KEPT} root:root 600"]
    for user in ("nobody", "www-data", "playbill-build", "postgres"):
        assert home.run(["cat", TOLD], user=user, check=False).returncode != 0
        assert home.run(["cat", KEPT], user=user, check=False).returncode != 0
    password = home.run(["cat", KEPT]).stdout
    assert password == urlsplit(url(home)).password
    assert where(home, password) == {TOLD, KEPT}


def test_it_listens_to_this_host_alone(home: Host) -> None:
    assert listening(home) - {"::1"} == {"127.0.0.1"}


def test_who_gets_in(home: Host) -> None:
    good = url(home)
    assert enters(home, good)[0]
    wrong = good.replace("playbill:", "playbill:x")
    assert "password authentication failed" in enters(home, wrong)[1]
    assert not enters(home, "postgres://playbill@localhost/playbill")[0]
    # By the local socket, nobody is believed to be somebody else.
    for user in ("nobody", "www-data", "playbill-build"):
        assert (
            "Peer authentication failed" in enters(home, "user=playbill dbname=playbill", user)[1]
        )


def test_what_the_role_may_do(home: Host) -> None:
    columns = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin"
    assert sql(home, f"SELECT {columns} FROM pg_roles WHERE rolname = 'playbill'") == "f|f|f|f|f|t"
    secret = sql(home, "SELECT rolpassword FROM pg_authid WHERE rolname = 'playbill'")
    assert secret.startswith("SCRAM-SHA-256$")
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'playbill'"
    assert sql(home, owner) == "playbill"
    # Another role, with a password of its own, stays outside.
    sql(home, "CREATE ROLE other LOGIN PASSWORD 'other'")
    said = enters(home, "postgres://other:other@localhost/playbill")[1]
    assert "permission denied for database" in said


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (
            "COMMENT ON ROLE playbill IS 'greenroom: live'",
            "COMMENT ON ROLE playbill IS 'greenroom: staging'",
        ),
        ("ALTER DATABASE playbill OWNER TO other", "ALTER DATABASE playbill OWNER TO playbill"),
    ],
)
def test_what_is_somebody_elses_is_refused(home: Host, theirs: str, ours: str) -> None:
    """Staging and live have the same name for their database, and may not share one."""
    before = home.checksum("/etc", KEPT)
    sql(home, theirs)
    change = json.dumps({"database_password": "another-one"})
    run = home.prepare("database", "-e", change, check=False)
    sql(home, ours)
    assert run.returncode != 0
    assert "has a role or a database of that name, which is not that of" in run.output
    assert home.checksum("/etc", KEPT) == before
    assert home.get("/health/").status == 200


def test_the_password_is_changed_in_one_run(home: Host) -> None:
    old = url(home)
    home.run(["install", "/dev/stdin", "/root/sampler.py"], stdin=SAMPLER)
    home.run(["systemd-run", "--quiet", "--unit=sampler", "python3", "/root/sampler.py"])
    configure(home, database_password=CHOSEN)
    run = home.prepare("database", "-vvv", "--diff")
    home.shell("touch /run/stop-sampling; while systemctl -q is-active sampler; do sleep 0.1; done")
    assert home.run(["cat", "/root/found"]).stdout == ""
    assert TRACE not in run.output
    assert where(home, TRACE) == {TOLD, KEPT}
    assert unquote(urlsplit(url(home)).password or "") == CHOSEN
    assert enters(home, url(home))[0]
    assert not enters(home, old)[0]
    assert home.get("/health/").status == 200, "the release on stage has the new one"
    assert changes(home.prepare("database")) == {home.container: 0}


def test_it_stays_when_it_is_taken_out_of_the_settings(home: Host) -> None:
    configure(home)
    assert changes(home.prepare("database")) == {home.container: 0}
    assert home.get("/health/").status == 200


def test_what_the_app_says_of_it_is_blotted_out(home: Host) -> None:
    say = (
        "python -c \"import os; from urllib.parse import *; u = os.environ['DATABASE_URL']; "
        "raise SystemExit('bad ' + unquote(urlsplit(u).password) + ' or ' + u)\""
    )
    commands = json.dumps({"app_commands_before_collectstatic": [say]})
    run = home.playbook("deploy.yml", "-e", commands, check=False)
    assert run.returncode != 0
    assert "bad ******** or ********" in run.output
    assert TRACE not in run.output
    assert quote(TRACE) not in run.output


def test_a_rollback_goes_there_too(home: Host, playbill: Example) -> None:
    playbill.set_branch("staging", "v3")
    home.playbook("deploy.yml")
    home.playbook("rollback.yml")
    assert "Žluťoučký kůň" in home.get("/").text


def test_all_of_it_comes_back_after_a_reboot(home: Host) -> None:
    home.reboot()
    assert "Žluťoučký kůň" in home.get("/").text


def test_back_to_sqlite(home: Host) -> None:
    configure(home, app_database="sqlite")
    home.playbook("site.yml")
    assert home.run(["test", "-e", TOLD], check=False).returncode != 0
    home.playbook("deploy.yml")
    answer = home.get("/")
    assert answer.status == 200
    assert "Žluťoučký kůň" not in answer.text
    assert sql(home, "SELECT count(*) FROM shows_show") == "1", "nothing is thrown away"


# -- on a host of its own -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def web(start_host: Callable[..., Host], provisioned_image: str) -> Host:
    """A second host of the app's."""
    return start_host(image=provisioned_image)


@pytest.fixture(scope="module")
def database(start_host: Callable[..., Host]) -> Host:
    """A bare host, for the database alone."""
    return start_host()


@pytest.fixture(scope="module")
def inventory(web: Host, database: Host, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory of both."""
    path = tmp_path_factory.mktemp("elsewhere") / "staging"
    own = settings("localhost", web.address)
    return write_inventory(path, {web: {**own, "app_database": "postgresql"}}, database=database)


def test_two_hosts_need_one_database(home: Host, web: Host, tmp_path: Path) -> None:
    own = {**settings("localhost"), "app_database": "postgresql"}
    path = write_inventory(tmp_path / "staging", {home: own, web: own})
    before = web.checksum("/etc", "/srv")
    run = ansible_playbook(path, "site.yml", check=False)
    assert run.returncode != 0
    assert f"{home.container}, {web.container} need one database" in run.output
    assert "in a group database" in run.output
    assert sum(changes(run).values()) == 0
    assert web.checksum("/etc", "/srv") == before


def test_a_dry_run_on_a_bare_host(inventory: Path, database: Host) -> None:
    before = database.checksum("/etc", "/var/lib")
    assert ansible_playbook(inventory, "site.yml", "--check", "--diff").returncode == 0
    assert database.checksum("/etc", "/var/lib") == before


def test_the_app_finds_it_there(
    inventory: Path, web: Host, database: Host, playbill: Example
) -> None:
    run = ansible_playbook(inventory, "site.yml", "-vvv", "--diff")
    password = database.run(["cat", KEPT]).stdout
    assert password not in run.output
    assert url(web) == f"postgres://playbill:{password}@{database.address}:5432/playbill"
    assert web.run(["test", "-e", "/etc/postgresql"], check=False).returncode != 0
    assert database.run(["test", "-e", "/etc/playbill"], check=False).returncode != 0
    playbill.publish(web)
    playbill.set_branch("staging", "v2")
    ansible_playbook(inventory, "deploy.yml")
    announce(web, "From afar")
    assert "From afar" in web.get("/").text
    assert sql(database, "SELECT title FROM shows_show") == "From afar"


def test_nothing_more_is_to_do(inventory: Path, web: Host) -> None:
    assert changes(ansible_playbook(inventory, "site.yml")) == {web.container: 0}
    assert changes(ansible_playbook(inventory, "site.yml", "--check")) == {web.container: 0}


def test_who_gets_in_from_where(home: Host, inventory: Path, web: Host, database: Host) -> None:
    assert inventory.exists()
    assert listening(database) - {"::1"} == {"127.0.0.1", database.address}
    good = url(web)
    # The first host has the right password, and is none of the app's.
    assert "no pg_hba.conf entry for host" in enters(home, good)[1]
    # The app's host gets in with TLS alone.
    web.shell("apt-get -qq install --yes --no-install-recommends postgresql-client >/dev/null")
    assert enters(web, good)[0]
    assert "no encryption" in enters(web, good, PGSSLMODE="disable")[1]
    assert "no pg_hba.conf entry" in enters(web, good.replace("/playbill", "/postgres"))[1]


def test_a_second_host_of_the_app_joins_and_leaves(
    home: Host, inventory: Path, web: Host, database: Host, tmp_path: Path
) -> None:
    """It finds the same database; and is let in no longer than it belongs to the app."""
    own = {**settings("localhost", web.address), "app_database": "postgresql"}
    both = write_inventory(tmp_path / "staging", {web: own, home: own}, database=database)
    # Working on one host alone, it does not forget the other.
    ansible_playbook(both, "site.yml", "--limit", home.container)
    assert url(home) == url(web)
    for host in (home, web):
        assert enters(host, url(host))[0]
    assert changes(ansible_playbook(both, "site.yml")) == {home.container: 0, web.container: 0}
    ansible_playbook(inventory, "site.yml")
    assert enters(web, url(web))[0]
    assert "no pg_hba.conf entry for host" in enters(home, url(home))[1]
