"""PostgreSQL by one setting, on the app's own host. On a host of its own: test_postgresql_host.py.

The host starts with SQLite, as all do, and goes back to it in the end. No password is where
it should not be, at the highest verbosity.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote, unquote, urlsplit

import pytest
from example import Example
from host import Host

from tests.end_to_end.postgresql import (
    KEPT,
    TOLD,
    announce,
    changes,
    configure,
    enters,
    listening,
    sql,
    url,
)

pytestmark = pytest.mark.story

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
