"""More of several hosts: their database, uploads, a reversal, hooks for a balancer, two balancers.

How releases come and go on them is in test_fleet.py.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fleet import ASK, HOME, Fleet, out_of
from host import Host, Load, ansible_playbook, write_inventory
from moments import at, one_line

pytestmark = [pytest.mark.extended, pytest.mark.story]


def test_a_database_for_each_host_is_refused(fleet: Fleet) -> None:
    fleet.push("v1")
    settings = (fleet.example.path / "playbill" / "settings.py").read_text()
    own = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{HOME}/shared/db.sqlite3"}
    revision = fleet.example.commit(
        {"playbill/settings.py": f"{settings}\nDATABASES['default'] = {own}\n"}
    )
    fleet.push(revision)
    run = fleet.run("deploy.yml", "-e", "app_database=sqlite", check=False)
    assert run.returncode != 0
    assert "this environment has 3 hosts: each would have one of its own" in one_line(run)
    assert fleet.releases() == [0, 0, 0]


def test_the_first_deploy(fleet: Fleet) -> None:
    fleet.push("v1")
    fleet.run("deploy.yml")
    assert fleet.releases() == [2, 2, 2], "the first one was refused"


def test_a_dry_run_changes_nothing(fleet: Fleet) -> None:
    before = [host.checksum(HOME) for host in fleet.webs]
    run = fleet.run("deploy.yml", "-e", "rev=v1", "--check")
    assert "Would deploy release" in one_line(run)
    assert [host.checksum(HOME) for host in fleet.webs] == before
    assert (fleet.out(), fleet.locked()) == (set(), [])


def test_uploads_that_all_hosts_share_and_a_trial_of_them(fleet: Fleet) -> None:
    """The trial's rows and upload are looked for on every host."""
    before = fleet.releases()
    said = one_line(fleet.run("verify_deploy.yml"))
    assert "an upload in" in said
    assert "through the web server" in said
    assert fleet.releases() == before
    media = f"{HOME}/shared/media"
    fleet.webs[1].run(["sh", "-c", f"echo Night >{media}/night.txt"], user="playbill")
    assert {host.get("/media/night.txt").text for host in fleet.webs} == {"Night\n"}


ASK_FOR_THE_PAGE = """
import http.client, sys

for address in sys.argv[2:]:
    site = http.client.HTTPConnection(address)
    site.request("GET", "/", headers={"Host": "localhost"})
    print(site.getresponse().status, file=open(sys.argv[1], "a"))
"""

MOVE_A_COLUMN = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("shows", "0003_fill_stage")]
    operations = [
        migrations.AlterField(
            "show",
            "stage",
            models.CharField(
                max_length=10,
                choices=[
                    (None, "To be announced"),
                    ("hall", "Great Hall"),
                    ("garden", "Garden Stage"),
                ],
                blank=True,
                db_default="",
                db_column="place",
            ),
        )
    ]
"""


def test_all_hosts_are_closed_while_a_column_goes_back_to_its_old_name(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.push("v6")
    fleet.run("deploy.yml")
    before = fleet.releases()
    models = (fleet.example.path / "shows" / "models.py").read_text()
    fleet.example.follow(fleet.webs[0])
    revision = fleet.example.commit(
        {
            "shows/models.py": models.replace('db_default=""', 'db_default="", db_column="place"'),
            "shows/migrations/0004_place.py": MOVE_A_COLUMN,
        }
    )
    fleet.push(revision)
    fleet.run("deploy.yml")
    assert fleet.releases() != before
    answers = tmp_path / "answers"
    addresses = [host.address for host in [*fleet.webs, fleet.balancer]]
    argv = [sys.executable, "-c", ASK_FOR_THE_PAGE, str(answers), *addresses]
    # The reversal is over, and no host has handed over yet.
    moment = at("after", "Take a snapshot and reverse", argv)
    fleet.run("rollback.yml", "-e", "migrations=reverse", env=moment)
    assert answers.read_text().split() == ["503"] * 4
    assert fleet.releases() == before
    assert fleet.applied()[-1] == "0003_fill_stage"
    assert (fleet.out(), fleet.locked()) == (set(), [])


def test_a_balancer_of_your_own_by_hooks(fleet: Fleet, tmp_path: Path) -> None:
    """The same one: but the inventory does not know it, and two hooks tell it what to do."""
    hooks = {}
    for moment, word in (("leave_balancer", "disable"), ("join_balancer", "enable")):
        said = f"{word} server playbill/{{{{ inventory_hostname }}}}"
        argv = ["docker", "exec", "-i", fleet.balancer.container]
        argv += ["socat", "stdio", "unix-connect:/run/haproxy/admin.sock"]
        task = {
            "name": f"Have my own balancer {word} it",
            "delegate_to": "localhost",
            "become": False,
            "ansible.builtin.command": {"argv": argv, "stdin": said},
        }
        hooks[moment] = str(tmp_path / f"{moment}.yml")
        Path(hooks[moment]).write_text(json.dumps([task]))
    seen = tmp_path / "seen"
    look = ["sh", "-c", f'docker exec {fleet.balancer.container} sh -c "{ASK}" >{seen}']
    own = {**fleet.settings, "app_hooks": hooks}
    inventory = write_inventory(
        tmp_path / "staging", dict.fromkeys(fleet.webs, own), database=fleet.database
    )
    fleet.push("v3")
    before = fleet.releases()[0]
    with Load(fleet.balancer, connections=4) as load:
        ansible_playbook(inventory, "deploy.yml", env=at("after", "Hand over to release", look))
    assert load.failures == 0, str(load)
    assert out_of(seen.read_text()) == {fleet.webs[0].container}
    assert len(set(fleet.releases())) == 1
    assert fleet.releases()[0] > before
    assert fleet.out() == set()


def test_two_balancers_are_told_the_same(
    fleet: Fleet, start_host: Callable[..., Host], tmp_path: Path
) -> None:
    second = start_host()
    names = [*fleet.settings["app_domains"], second.address]
    own = {**fleet.settings, "app_domains": names}
    own["app_env"] = {**own["app_env"], "ALLOWED_HOSTS": ",".join(names)}
    inventory = write_inventory(
        tmp_path / "staging",
        dict.fromkeys(fleet.webs, own),
        database=fleet.database,
        balancers=[fleet.balancer, second],
    )
    ansible_playbook(inventory, "site.yml")
    seen = tmp_path / "seen"
    look = ["sh", "-c", f'docker exec {second.container} sh -c "{ASK}" >{seen}']
    fleet.push("v6")
    with Load(second, connections=2) as load, Load(fleet.balancer, connections=2) as other:
        ansible_playbook(inventory, "deploy.yml", env=at("after", "Hand over to release", look))
    assert (load.failures, other.failures) == (0, 0), f"{load} {other}"
    assert out_of(seen.read_text()) == {fleet.webs[0].container}
    assert (fleet.out(), fleet.out(second)) == (set(), set())
    second.destroy()
