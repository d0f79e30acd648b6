"""Live's data in staging: carried there, made unrecognizable, and migrated as live will be.

The tests of this module are one story on two hosts, told in their order: staging has a migration
that live has not, and live has rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from host import Host, PlaybookRun, ansible_playbook
from project import HOME, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

BACKUPS = f"{HOME}/backups"
#: what is in live's rows, and to be on no disk of staging
SECRET = "ada.lovelace@example.com"

MOOD = {
    "notes/models.py": "from django.db import models\n\n\nclass Note(models.Model):\n"
    "    text = models.TextField()\n    mood = models.TextField(default='fine')\n",
    "notes/migrations/0002_mood.py": "from django.db import migrations, models\n\n\n"
    "class Migration(migrations.Migration):\n"
    "    dependencies = [('notes', '0001_initial')]\n    operations = [\n"
    "        migrations.AddField('Note', 'mood', models.TextField(default='fine')),\n"
    "    ]\n",
}

# As the app's user, and with nothing but Python, since the site is closed meanwhile.
ANONYMISE = """\
- name: Forget who wrote what
  become_user: "{{ app_name }}"
  ansible.builtin.command:
    argv:
      - python3
      - -c
      - |
        import sqlite3
        base = sqlite3.connect("{{ app_home }}/shared/db.sqlite3")
        base.execute("UPDATE notes_note SET text = 'somebody ' || id")
        base.commit()
        base.execute("VACUUM")
  changed_when: true
"""
ANONYMISE_POSTGRESQL = """\
- name: Forget who wrote what
  become_user: postgres
  ansible.builtin.command:
    argv: [psql, -Xq, -d, "{{ app_name }}", -c, "UPDATE notes_note SET text = 'somebody ' || id"]
  changed_when: true
"""
FAILS = "- name: Forget who wrote what\n  ansible.builtin.fail: {msg: the vault is locked}\n"


@pytest.fixture(scope="module")
def staging(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """Staging, with a migration that live does not have."""
    host = start_host(image=provisioned_image)
    project = Project.make(host, tmp_path_factory.mktemp("staging"))
    hooks = {"anonymise": ANONYMISE, "on_postgresql": ANONYMISE_POSTGRESQL, "fails": FAILS}
    for name, tasks in hooks.items():
        (project.inventory.parent / f"{name}.yml").write_text(tasks)
    project.commit()
    project.deploy()
    project.commit(MOOD)
    project.deploy()
    assert host.get("/add/?text=staged").status == 204
    return project


@pytest.fixture(scope="module")
def live(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """Live, with two rows."""
    host = start_host(image=provisioned_image)
    project = Project.make(host, tmp_path_factory.mktemp("live"))
    project.inventory = project.inventory.with_name("live")
    project.commit()
    project.configure("live", app_branch="staging")
    host.playbook("deploy.yml")
    for text in (SECRET, f"{SECRET}-2"):
        assert host.get(f"/add/?text={text}").status == 204
    return project


def rehearse(
    staging: Project, live: Project, *arguments: str, check: bool = True, **settings: Any
) -> PlaybookRun:
    """Rehearse, with these settings of staging."""
    staging.configure(**settings)
    return ansible_playbook(
        staging.inventory, "refresh_staging.yml", "-i", str(live.inventory), *arguments, check=check
    )


def refuse(staging: Project, live: Project, *arguments: str, **settings: Any) -> str:
    """Have a rehearsal refused, with all as it was; what was said, in a line."""
    before = staging.page()["notes"], state_of(live)
    run = rehearse(staging, live, *arguments, check=False, **settings)
    assert run.returncode != 0
    assert (staging.page()["notes"], state_of(live)) == before
    nothing_is_left(staging.host)
    return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())


def snapshots(host: Host) -> list[str]:
    return host.shell(f"ls {BACKUPS} 2>/dev/null || true").split()


def state_of(live: Project) -> tuple[Any, ...]:
    """What of live a rehearsal must not touch."""
    started = live.host.shell("systemctl show -P ActiveEnterTimestamp 'playbill@*'")
    return live.page()["notes"], live.host.checksum(HOME), started


def nothing_is_left(host: Host) -> None:
    """No lock, no maintenance, no copy of live's snapshot, and nothing of what live's users wrote.

    In a file that SQLite has open, too.
    """
    assert host.shell(f"ls {HOME} | grep -E '^(lock.json|maintenance)$' || true") == ""
    assert host.shell(f"ls {HOME}/shared {BACKUPS} | grep -E '_restore|live-' || true") == ""
    assert found_in(host) == ""


def found_in(host: Host) -> str:
    """The files with what live's users wrote."""
    return host.shell(f"grep -rlF {SECRET} /srv /tmp /var/tmp /root /home || true")


def on_this_machine() -> list[Path]:
    """The folders that runs of Ansible left, with a snapshot in them."""
    return list(Path("~/.ansible/tmp").expanduser().glob("*/*-*T*Z"))


def test_one_inventory_is_not_enough(staging: Project) -> None:
    run = staging.host.playbook("refresh_staging.yml", check=False)
    assert run.returncode != 0
    assert "Give both: -i inventories/staging -i inventories/live" in " ".join(run.output.split())


def test_a_host_in_both_is_refused(staging: Project, live: Project) -> None:
    both = live.inventory.with_name("both")
    member = staging.host.container
    both.write_text(json.dumps({"live": {"hosts": {member: {}}}}))
    run = ansible_playbook(staging.inventory, "refresh_staging.yml", "-i", str(both), check=False)
    assert run.returncode != 0
    assert f"{member} is in both groups, staging and live" in " ".join(run.output.split())


def test_no_snapshot_yet(staging: Project, live: Project) -> None:
    assert "There is no snapshot yet: backup.yml takes one." in refuse(staging, live)


def test_a_dry_run(staging: Project, live: Project) -> None:
    live.host.playbook("backup.yml")
    before = staging.host.checksum(HOME), state_of(live)
    run = rehearse(staging, live, "--check")
    assert "into staging, with its users' data as it is. It is whole, and fits." in run.output
    assert (staging.host.checksum(HOME), state_of(live)) == before


def test_a_hook_that_fails_leaves_staging_as_it_was(staging: Project, live: Project) -> None:
    said = refuse(staging, live, app_hooks={"anonymise": "fails.yml"})
    assert "the vault is locked" in said
    assert 'The refresh failed at "Forget who wrote what"' in said
    assert "The databases are those from before. Release 2 is current, as before." in said
    assert on_this_machine() == []


def test_a_rehearsal(staging: Project, live: Project) -> None:
    before = state_of(live)
    run = rehearse(staging, live, app_hooks={"anonymise": "anonymise.yml"})
    assert state_of(live) == before
    assert staging.page()["notes"] == ["somebody 1", "somebody 2"]
    assert staging.sql("SELECT mood FROM notes_note") == [["fine"], ["fine"]]
    assert "Tried on live's data, in the database default: notes.0002_mood." in run.output
    assert "made unrecognizable by your hook." in run.output
    assert "app_hooks has no anonymise" not in run.output
    assert SECRET not in run.output
    nothing_is_left(staging.host)
    assert on_this_machine() == []


def test_again_without_a_hook(staging: Project, live: Project) -> None:
    """Whoever asks for it gets the data as it is, and is told so; a named snapshot is the one."""
    [first] = snapshots(live.host)
    assert live.host.get("/add/?text=later").status == 204
    live.host.playbook("backup.yml")
    run = rehearse(staging, live, "-e", f"snapshot={first}")
    assert "so staging gets the data of live's users as it is" in " ".join(run.output.split())
    assert f"serves live's snapshot {first}," in run.output
    assert "with its users' data as it is." in run.output
    assert staging.page()["notes"] == [SECRET, f"{SECRET}-2"]
    assert staging.host.shell(f"ls {BACKUPS} | grep live- || true") == ""
    rehearse(staging, live, app_hooks={"anonymise": "anonymise.yml"})
    assert staging.page()["notes"] == ["somebody 1", "somebody 2", "somebody 3"]
    staging.host.playbook("restore.yml", "-e", "drop_replaced=true")
    staging.host.shell(f"rm -r {BACKUPS}/*")  # one of them is of the state without a hook
    assert found_in(staging.host) == ""


def test_a_killed_run_leaves_nothing_for_long(staging: Project) -> None:
    """What it carried goes with the next run, whatever that is."""
    staging.host.shell(f"mkdir {BACKUPS}/live-1-20261121T150312Z")
    staging.host.playbook("backup.yml")
    assert staging.host.shell(f"ls {BACKUPS} | grep live- || true") == ""


def test_one_of_another_engine(staging: Project, live: Project) -> None:
    [newest] = snapshots(live.host)[-1:]
    about = f"{BACKUPS}/{newest}/snapshot.json"
    live.host.shell(f"cp -p {about} /root/about")
    live.host.shell(f'sed -i \'s/"sqlite"/"postgresql"/\' {about}')
    said = refuse(staging, live)
    assert "Live has the database 'default' in postgresql, and release 2 of staging uses" in said
    live.host.shell(f"mv /root/about {about}")


def test_never_the_other_way(staging: Project, live: Project) -> None:
    """A snapshot of staging, copied to live by hand, is refused by all that could put it in."""
    [newest] = snapshots(staging.host)[-1:]
    text = staging.host.shell(f"tar c -C {BACKUPS} {newest} | base64")
    live.host.run(["sh", "-c", f"base64 -d | tar x -C {BACKUPS}"], stdin=text)
    before = live.page()["notes"]
    name = f"snapshot={newest}"
    runs = [
        live.host.playbook("restore.yml", "-e", name, check=False),
        live.host.playbook("restore.yml", "-e", name, "--check", check=False),
        rehearse(staging, live, "-e", name, check=False),
    ]
    live.commit({"CHANGES": "one"})
    live.host.playbook("deploy.yml")
    more = ("-e", "restore_database=true", "-e", name)
    runs.append(live.host.playbook("rollback.yml", *more, check=False))
    for run in runs:
        assert run.returncode != 0
        said = f"The snapshot {newest} is one of staging, and this is live."
        assert said in " ".join(run.output.split())
    assert live.page()["notes"] == before


POSTGRESQL = """
from urllib.parse import unquote, urlsplit

URL = urlsplit(os.environ["DATABASE_URL"])
DATABASES = {"default": {
    "ENGINE": "django.db.backends.postgresql",
    "NAME": URL.path[1:],
    "USER": URL.username,
    "PASSWORD": unquote(URL.password),
    "HOST": URL.hostname,
    "PORT": URL.port or "",
}}
"""
REQUIREMENTS = {"requirements.txt": "django==5.2.18\npsycopg[binary]==3.2.13\n"}


def test_postgresql(staging: Project, live: Project) -> None:
    """The same with PostgreSQL on both; and first, with SQLite on live alone."""
    there: dict[str, Any] = {"app_database": "postgresql"}
    staging.provision(**there)
    staging.commit({**MOOD, **REQUIREMENTS}, settings=POSTGRESQL)
    staging.deploy(**there)
    live.host.playbook("backup.yml")
    assert "in sqlite, and release 3 of staging uses postgresql" in refuse(staging, live, **there)
    live.configure("live", app_branch="staging", **there)
    live.host.playbook("site.yml")
    live.commit(REQUIREMENTS, settings=POSTGRESQL)
    live.host.playbook("deploy.yml")
    assert live.host.get(f"/add/?text={SECRET}").status == 204
    live.host.playbook("backup.yml")
    said = refuse(staging, live, app_hooks={"anonymise": "fails.yml"}, **there)
    assert "The databases are those from before. Release 3 is current, as before." in said
    databases = "SELECT datname FROM pg_database WHERE datname ~ 'playbill'"
    there_now = staging.host.run(["psql", "-XAtq", "-c", databases], user="postgres").stdout
    assert there_now.split() == ["playbill"]
    run = rehearse(staging, live, app_hooks={"anonymise": "on_postgresql.yml"}, **there)
    assert "Tried on live's data, in the database default: notes.0002_mood." in run.output
    assert staging.page()["notes"] == ["somebody 1"]
    assert live.page()["notes"] == [SECRET]
    assert staging.host.shell(f"ls {BACKUPS} | grep live- || true") == ""
