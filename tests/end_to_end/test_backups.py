"""Snapshots of the databases: taken while visitors write, and put back with the site on its feet.

The tests of this module are one story on one host, told in their order: first with SQLite, then
with PostgreSQL.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from host import Host
from project import HOME, Project

pytestmark = pytest.mark.story

BACKUPS = f"{HOME}/backups"


@pytest.fixture(scope="module")
def project(project: Project) -> Project:
    """The project, and nothing deployed."""
    project.commit()
    project.configure()
    return project


class Visitor:
    """Asks for a page, time after time, and counts what comes."""

    def __init__(self, host: Host, path: str, pause: float) -> None:
        self.host = host
        self.path = path
        self.pause = pause
        self.statuses: list[int | None] = []
        self.over = threading.Event()

    def ask_all_the_time(self) -> None:
        while not self.over.is_set():
            try:
                status = self.host.get(self.path.format(len(self.statuses))).status
            except OSError:
                status = None
            self.statuses.append(status)
            time.sleep(self.pause)

    @property
    def counts(self) -> Counter[int | None]:
        return Counter(self.statuses)


@contextmanager
def visiting(host: Host, path: str = "/", pause: float = 0.02) -> Iterator[Visitor]:
    """A visitor for as long as the block lasts."""
    visitor = Visitor(host, path, pause)
    thread = threading.Thread(target=visitor.ask_all_the_time)
    thread.start()
    try:
        yield visitor
    finally:
        visitor.over.set()
        thread.join()


def snapshots(host: Host) -> dict[str, dict[str, Any]]:
    """What snapshot.json says, by the snapshots' names, oldest first."""
    names = host.shell(f"ls {BACKUPS} --ignore='*.partial' 2>/dev/null || true").split()
    found = {name: json.loads(host.shell(f"cat {BACKUPS}/{name}/snapshot.json")) for name in names}
    return dict(sorted(found.items(), key=lambda item: item[1]["taken"]))


def back_up(project: Project, *arguments: str) -> str:
    """Take a snapshot; its name."""
    before = set(snapshots(project.host))
    project.host.playbook("backup.yml", *arguments)
    [new] = set(snapshots(project.host)) - before
    return new


def refuse(project: Project, playbook: str, *arguments: str) -> str:
    """Run what must be refused, without a change to data, release or lock; what was said."""
    before = project.page()["notes"] if project.serving() else None
    run = project.host.playbook(playbook, *arguments, check=False)
    assert run.returncode != 0
    assert (project.page()["notes"] if project.serving() else None) == before
    assert project.host.shell(f"ls {HOME} | grep -E '^(lock.json|maintenance)$' || true") == ""
    assert project.host.shell(f"ls {HOME}/shared | grep _restore || true") == ""
    return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())


def notes_in(project: Project, path: str) -> list[str]:
    """The notes in a SQLite file."""
    script = (
        "import sqlite3, sys; base = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)\n"
        "print(*[row[0] for row in base.execute('select text from notes_note order by id')])"
    )
    return project.host.run(["python3", "-c", script, path]).stdout.split()


def kept(project: Project) -> list[str]:
    """The SQLite files that restores replaced, oldest first."""
    return project.host.shell(f"ls {HOME}/shared/*_before_* 2>/dev/null || true").split()


def add(project: Project, text: str) -> None:
    assert project.host.get(f"/add/?text={text}").status == 204


def test_before_the_first_deploy(project: Project) -> None:
    assert "No release of playbill serves on this host" in refuse(project, "backup.yml")
    assert "No release of playbill serves" in refuse(project, "restore.yml", "-e", "snapshot=x")


def test_before_the_first_snapshot(project: Project) -> None:
    project.deploy()
    add(project, "first")
    assert "-e snapshot=NAME. There is none yet." in refuse(project, "restore.yml")
    dry = project.host.playbook("backup.yml", "--check")
    assert "(none yet)" in dry.output
    assert snapshots(project.host) == {}


def test_a_snapshot_while_the_site_is_written_to(project: Project) -> None:
    with visiting(project.host, "/add/?text={}", 0.01) as writer:
        while len(writer.statuses) < 10:
            time.sleep(0.05)
        name = back_up(project)
    assert writer.counts.keys() == {204}
    assert re.fullmatch(r"1-\d{8}T\d{6}Z", name)
    in_it = notes_in(project, f"{BACKUPS}/{name}/default.sqlite3")
    written = project.page()["notes"]
    assert 10 <= len(in_it) < len(written) == len(writer.statuses) + 1
    assert in_it == written[: len(in_it)], "all of one moment"
    about = snapshots(project.host)[name]
    assert (about["release"], about["reason"]) == (1, "asked for")
    assert about["databases"]["default"]["migrations"] == ["notes.0001_initial"]


def test_nobody_else_can_read_it(project: Project) -> None:
    modes = project.host.shell(f"find {BACKUPS} -printf '%y %m %u:%g\\n' | sort -u").splitlines()
    assert modes == ["d 700 root:root", "f 600 root:root"]
    assert project.host.shell(f"find {HOME}/shared -name '.greenroom*'") == ""


def test_the_maintenance_page(project: Project) -> None:
    host = project.host
    css = project.page()["css"]
    host.shell(f"touch {HOME}/maintenance")
    answer = host.get("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert "Back in a moment" in answer.text
    assert host.get("/add/?text=lost").status == 503
    assert host.get(css).status == 200
    in_the_green_room = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/playbill/1.sock'); "
        "s.sendall(b'GET / HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n'); print(s.recv(15))"
    )
    assert "200" in host.run(["python3", "-c", in_the_green_room]).stdout
    host.shell(f"rm {HOME}/maintenance")
    assert host.get("/").status == 200


def test_a_snapshot_comes_back(project: Project) -> None:
    [name] = snapshots(project.host)
    then = notes_in(project, f"{BACKUPS}/{name}/default.sqlite3")
    add(project, "later")
    dry = project.host.playbook("restore.yml", "--check", "-e", f"snapshot={name}")
    assert f"Would put the snapshot {name} back" in dry.output
    with visiting(project.host) as visitor:
        run = project.host.playbook("restore.yml", "-e", f"snapshot={name}")
    assert f"The databases are those of the snapshot {name}." in run.output
    assert project.page()["notes"] == then
    [before] = kept(project)
    assert before in run.output
    assert notes_in(project, before)[-1] == "later"
    saved = snapshots(project.host)
    newest = list(saved)[-1]
    assert saved[newest]["reason"] == f"before restoring {name}"
    assert notes_in(project, f"{BACKUPS}/{newest}/default.sqlite3")[-1] == "later"
    # The swap, and nothing else of the run, is what visitors noticed.
    assert visitor.counts.keys() == {200, 503}
    assert visitor.statuses[0] == visitor.statuses[-1] == 200
    seconds = float(re.findall(r"Maintenance mode was on for ([\d.]+) seconds", run.output)[0])
    assert visitor.counts[503] <= seconds / 0.02
    assert project.host.shell(f"stat -c '%a %U:%G' {HOME}/shared/db.sqlite3") == project.host.shell(
        f"stat -c '%a %U:%G' {before}"
    )
    add(project, "afterwards")
    assert project.page()["notes"] == [*then, "afterwards"]


def test_one_that_is_not_there(project: Project) -> None:
    names = list(snapshots(project.host))[::-1]
    for arguments in ((), ("-e", "snapshot=9-20200101T000000Z")):
        said = refuse(project, "restore.yml", *arguments)
        assert f"There are, newest first: {', '.join(names)}." in said


def test_a_damaged_one_is_refused(project: Project) -> None:
    [name, *_] = snapshots(project.host)
    path = f"{BACKUPS}/{name}/default.sqlite3"
    script = "import sys; f = open(sys.argv[1], 'r+b'); f.seek(5000); f.write(b'damage')"
    project.host.run(["cp", "-p", path, "/root/whole"])
    project.host.run(["python3", "-c", script, path])
    taken = list(snapshots(project.host))
    with visiting(project.host) as visitor:
        said = refuse(project, "restore.yml", "-e", f"snapshot={name}")
    assert f"{path} is damaged" in said
    assert visitor.counts.keys() == {200}
    assert list(snapshots(project.host)) == taken
    project.host.run(["mv", "/root/whole", path])


def test_one_that_the_site_cannot_live_with(project: Project) -> None:
    """The release does not prove itself on it, so what was there is put back."""
    project.sql("ALTER TABLE notes_note RENAME TO mislaid")
    broken = back_up(project)
    project.sql("ALTER TABLE mislaid RENAME TO notes_note")
    there = len(kept(project))
    said = refuse(project, "restore.yml", "-e", f"snapshot={broken}")
    assert "Release 1 did not prove itself" in said
    assert "The databases are those from before. Release 1 is current, as before." in said
    assert len(kept(project)) == there


def test_one_from_before_a_migration(project: Project) -> None:
    [name, *_] = snapshots(project.host)
    project.commit(
        {
            "notes/models.py": "from django.db import models\n\n\nclass Note(models.Model):\n"
            "    text = models.TextField()\n    mood = models.TextField(default='fine')\n",
            "notes/migrations/0002_mood.py": "from django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
            "    dependencies = [('notes', '0001_initial')]\n    operations = [\n"
            "        migrations.AddField('Note', 'mood', models.TextField(default='fine')),\n"
            "    ]\n",
        }
    )
    project.deploy()
    run = project.host.playbook("restore.yml", "-e", f"snapshot={name}")
    assert "Applied to default what it lacked: notes.0002_mood." in run.output
    assert project.sql("SELECT DISTINCT mood FROM notes_note") == [["fine"]]
    assert project.page()["notes"] == notes_in(project, f"{BACKUPS}/{name}/default.sqlite3")


def test_a_database_that_is_gone(project: Project) -> None:
    """What could not be copied any more is no reason not to restore."""
    name = back_up(project)
    notes = project.page()["notes"]
    project.host.shell(f"systemctl stop 'playbill@*'; rm {HOME}/shared/db.sqlite3")
    project.host.shell("systemctl start playbill@2")
    run = project.host.playbook("restore.yml", "-e", f"snapshot={name}")
    assert "No snapshot of the present state could be taken" in run.output
    assert project.page()["notes"] == notes


def test_what_was_replaced_goes_when_it_is_told_to(project: Project) -> None:
    files = kept(project)
    assert files
    project.host.playbook("restore.yml", "-e", "drop_replaced=true", "--check")
    assert kept(project) == files
    run = project.host.playbook("restore.yml", "-e", "drop_replaced=true")
    assert f"Removed: {', '.join(files)}" in run.output
    assert kept(project) == []
    assert project.page()["notes"]


def test_no_room(project: Project) -> None:
    host = project.host
    name = list(snapshots(host))[-1]
    host.shell(f"cp -a {BACKUPS}/{name} /root/kept")
    host.shell(f"mount -t tmpfs -o size=20m,mode=0700 tmpfs {BACKUPS}")
    try:
        said = refuse(project, "backup.yml")
        assert re.search(rf"A snapshot may need 65 MiB, and {BACKUPS} has 20 MiB free", said)
        assert host.shell(f"ls -A {BACKUPS}") == ""
        host.shell(f"cp -a /root/kept {BACKUPS}/{name}")
        assert "A snapshot may need 65 MiB" in refuse(
            project, "restore.yml", "-e", f"snapshot={name}"
        )
    finally:
        host.shell(f"umount {BACKUPS}")


def test_old_ones_go(project: Project) -> None:
    host = project.host
    host.shell(f"mkdir {BACKUPS}/1-20200101T000000Z.partial")
    entries = json.loads(host.run(["cat", f"{HOME}/journal.json"]).stdout)["releases"]
    needed = {entry["migrations"]["snapshot"] for entry in entries if "migrations" in entry} - {""}
    run = host.playbook("backup.yml", "-e", "app_keep_snapshots=2")
    left = snapshots(host)
    assert needed < set(left), "those from before a release's migrations stay with the release"
    assert set(list(left)[:-2]) <= needed, "of the others, the two that are newest"
    assert all(name in run.output for name in left)
    assert set(host.shell(f"ls -A {BACKUPS}").split()) == set(left)


def test_not_while_somebody_deploys(project: Project) -> None:
    holder = {"token": "t", "by": "bob@desk", "since": time.time()}
    project.host.run(["tee", f"{HOME}/lock.json"], stdin=json.dumps(holder))
    for playbook in ("backup.yml", "restore.yml"):
        run = project.host.playbook(playbook, check=False)
        assert run.returncode != 0
        assert "bob@desk is at work here" in run.output
    project.host.run(["rm", f"{HOME}/lock.json"])


def test_by_the_clock(project: Project) -> None:
    host = project.host
    assert "playbill-backup.timer" in host.shell("systemctl list-timers --no-pager")
    before = snapshots(host)
    host.shell("systemctl start playbill-backup.service")
    [new] = set(snapshots(host)) - set(before)
    about = snapshots(host)[new]
    assert about["reason"] == "by the clock"
    assert about["by"].startswith("timer@")
    said = host.shell("journalctl --no-pager -o cat -u playbill-backup")
    assert f"Took the snapshot {new}." in said
    assert host.shell(f"test -e {HOME}/lock.json || echo free").strip() == "free"


def test_the_clock_waits_for_a_deploy(project: Project) -> None:
    host = project.host
    before = snapshots(host)
    holder = {"token": "t", "by": "bob@desk", "since": time.time()}
    host.run(["tee", f"{HOME}/lock.json"], stdin=json.dumps(holder))
    host.shell("systemctl start --no-block playbill-backup.service")
    time.sleep(3)
    state = host.shell("systemctl is-active playbill-backup.service || true").strip()
    assert (state, snapshots(host)) == ("activating", before)
    host.run(["rm", f"{HOME}/lock.json"])
    for _ in range(60):
        if len(snapshots(host)) > len(before):
            break
        time.sleep(0.5)
    assert len(snapshots(host)) > len(before)


def test_another_time_or_none(project: Project) -> None:
    host = project.host
    project.configure(app_backup_at="*-*-* 03:30:00")
    host.prepare("backup")
    assert "*-*-* 03:30:00" in host.shell("systemctl cat playbill-backup.timer")
    next_time = host.shell("systemctl show -P NextElapseUSecRealtime playbill-backup.timer")
    assert " 03:30:00" in next_time
    project.configure(app_backup_at="half past three")
    run = host.prepare("backup", check=False)
    assert run.returncode != 0
    assert "half past three" in run.output
    project.configure(app_backup_at="")
    host.prepare("backup")
    assert host.shell("systemctl is-active playbill-backup.timer || true").strip() == "inactive"
    [counts] = host.prepare("backup").recap.values()
    assert counts["changed"] == 0


POSTGRESQL = """
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "playbill",
    "USER": "playbill",
    "HOST": "127.0.0.1",
    "PASSWORD": os.environ["DATABASE_PASSWORD"],
}}
"""
PASSWORD = "stage-d00r-k3y"


def psql(host: Host, sql: str, database: str = "postgres") -> list[str]:
    """Run SQL as the server's superuser."""
    argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]
    return host.run(argv, user="postgres", stdin=sql).stdout.split()


@pytest.fixture(scope="module")
def on_postgresql(project: Project) -> Project:
    """The project, moved to a PostgreSQL of the host's own."""
    host = project.host
    host.shell(
        "apt-get update -qq\n"
        "DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends postgresql"
    )
    host.shell("systemctl start postgresql")
    psql(host, f"CREATE ROLE playbill LOGIN PASSWORD '{PASSWORD}'")
    psql(host, "CREATE DATABASE playbill OWNER playbill")
    psql(host, "CREATE EXTENSION citext", "playbill")
    requirements = "django==5.2.18\npsycopg[binary]==3.2.13\n"
    project.commit({"requirements.txt": requirements}, settings=POSTGRESQL)
    project.deploy(app_env={"DATABASE_PASSWORD": PASSWORD})
    return project


def test_postgresql(on_postgresql: Project) -> None:
    project, host = on_postgresql, on_postgresql.host
    add(project, "first")
    with visiting(host, "/add/?text={}", 0.01) as writer:
        name = back_up(project)
    assert writer.counts.keys() == {204}
    in_it = snapshots(host)[name]["databases"]["default"]
    assert (in_it["engine"], in_it["file"]) == ("postgresql", "default.dump")
    count = len(project.page()["notes"])
    with visiting(host) as visitor:
        run = host.playbook("restore.yml", "-e", f"snapshot={name}")
    assert PASSWORD not in run.output
    assert 1 <= len(project.page()["notes"]) < count
    assert visitor.counts.keys() == {200, 503}
    there = psql(host, "SELECT datname FROM pg_database WHERE datname ~ 'playbill' ORDER BY 1")
    assert there[0] == "playbill"
    assert [re.sub(r"\d{8}t\d{6}z$", "", other) for other in there[1:]] == ["playbill_before_"]
    assert psql(host, "SELECT count(*) FROM notes_note", there[1]) == [str(count)]
    assert psql(host, "SELECT extname FROM pg_extension ORDER BY 1", "playbill")[0] == "citext"
    add(project, "afterwards")
    host.playbook("restore.yml", "-e", "drop_replaced=true")
    assert psql(host, "SELECT datname FROM pg_database WHERE datname ~ 'playbill'") == ["playbill"]


def test_a_damaged_one_of_postgresql(on_postgresql: Project) -> None:
    name = back_up(on_postgresql)
    on_postgresql.host.shell(f"truncate -s -100 {BACKUPS}/{name}/default.dump")
    said = refuse(on_postgresql, "restore.yml", "-e", f"snapshot={name}")
    assert f"{BACKUPS}/{name}/default.dump is damaged" in said


def test_one_of_another_engine(on_postgresql: Project) -> None:
    [name, *_] = [
        name
        for name, about in snapshots(on_postgresql.host).items()
        if about["databases"]["default"]["engine"] == "sqlite"
    ]
    said = refuse(on_postgresql, "restore.yml", "-e", f"snapshot={name}")
    assert f"The snapshot {name} has the database 'default' of sqlite" in said


def test_a_server_whose_superuser_is_not_at_hand(on_postgresql: Project) -> None:
    """As with one on another machine: what its role may not do is said before anything is."""
    host = on_postgresql.host
    name = back_up(on_postgresql)
    host.shell(
        "sed -i 's/^local.*postgres .*peer$/local all postgres reject/' "
        "/etc/postgresql/*/main/pg_hba.conf; systemctl reload postgresql"
    )
    said = refuse(on_postgresql, "restore.yml", "-e", f"snapshot={name}")
    assert "let it: ALTER ROLE playbill CREATEDB" in said
