"""A trial: what one release writes must outlive the deploy of the next, and the way back.

The tests of this module are one story on one host, told in their order: first the example site,
which is as it should be, and then one that is wrong in one way after the other.
"""

from __future__ import annotations

import json

import pytest
from example import Example, settings
from host import Host, Load

pytestmark = [pytest.mark.extended, pytest.mark.story]

HOME = "/srv/playbill"

# Each release would have a database, or a folder of uploads, of its own.
OWN_DATABASE = """
DATABASES["default"]["NAME"] = f"/srv/playbill/shared/{BASE_DIR.name}.sqlite3"
"""
OWN_UPLOADS = """
MEDIA_ROOT = f"/srv/playbill/shared/uploads-{BASE_DIR.name}"
"""
ELSEWHERE = """
MEDIA_ROOT = "/srv/playbill/shared/elsewhere"
"""


@pytest.fixture(scope="module")
def site(host: Host, playbill: Example) -> Host:
    """The host, with nothing deployed, and with v2 to deploy."""
    playbill.set_branch("staging", "v2")
    return host


def serving(host: Host) -> int:
    return int(host.shell(f"readlink {HOME}/current || echo x/0").strip().rpartition("/")[2])


def results(host: Host) -> dict[int, str]:
    """How each release ended, by its number."""
    releases = json.loads(host.run(["cat", f"{HOME}/journal.json"]).stdout)["releases"]
    return {release["number"]: release["result"] for release in releases}


def nothing_is_left(host: Host) -> None:
    """No mark, no lock."""
    assert host.shell(f"find {HOME}/shared -name 'greenroom-trial*'") == ""
    script = (
        "import glob, sqlite3\n"
        f"for path in glob.glob('{HOME}/shared/*.sqlite3'):\n"
        "    names = sqlite3.connect(path).execute('SELECT name FROM sqlite_master').fetchall()\n"
        "    print(path if ('greenroom_trial',) in names else '')"
    )
    assert host.run(["python3", "-c", script], user="playbill").stdout.split() == []
    assert host.shell(f"ls {HOME} | grep -x lock.json || true") == ""


def fail(host: Host, *arguments: str) -> str:
    """Try what must fail, and leave the release that serves, and no mark; what was said."""
    before = serving(host)
    run = host.playbook("verify_deploy.yml", *arguments, check=False)
    assert run.returncode != 0
    assert serving(host) == before
    nothing_is_left(host)
    return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())


def test_before_the_first_deploy(site: Host) -> None:
    assert "No release of playbill serves on this host" in fail(site)


def test_a_dry_run_changes_nothing(site: Host) -> None:
    site.playbook("deploy.yml")
    before = site.checksum(HOME)
    run = site.playbook("verify_deploy.yml", "--check")
    assert "Would deploy release 2" in run.output
    assert site.checksum(HOME) == before


def test_the_same_revision(site: Host) -> None:
    with Load(site) as load:
        run = site.playbook("verify_deploy.yml")
    assert load.failures == 0, load
    assert "Release 2 found all that release 1 had written, and so did release 1" in run.output
    for found in ("a row in the database default", "an upload in", "through the web server"):
        assert found in run.output
    assert "Not tried" not in run.output
    assert (serving(site), results(site)) == (1, {1: "good", 2: "bad"})
    nothing_is_left(site)


def test_it_leaves_nothing_to_deploy(site: Host) -> None:
    assert "Nothing to do: release 1" in site.playbook("deploy.yml").output


def test_a_newer_revision(site: Host, playbill: Example) -> None:
    playbill.set_branch("staging", "v3")
    site.playbook("verify_deploy.yml")
    assert (serving(site), results(site)[3]) == (1, "bad")
    nothing_is_left(site)
    site.playbook("deploy.yml")
    assert serving(site) == 4


def test_a_deploy_that_fails(site: Host, playbill: Example) -> None:
    playbill.commit({"playbill/wsgi.py": "raise RuntimeError('stage fright')\n"})
    assert "stage fright" in fail(site)
    playbill.set_branch("staging", "v3")


@pytest.mark.parametrize("option", ["rev=v2", "merge=main", "restore_database=true"])
def test_what_would_be_no_trial(site: Host, option: str) -> None:
    said = fail(
        site, "-e", option, "-e", "checkout_controller_repository=ssh://you@host/srv/it.git"
    )
    assert f"{option.partition('=')[0]} is set" in said


def test_live_asks_for_a_word(site: Host) -> None:
    path = site.last_inventory
    site.inventory(path.with_name("live"), "live", **settings("localhost"), app_branch="staging")
    assert "say so: -e allow_live=true" in fail(site)
    site.playbook("deploy.yml")
    number = serving(site)
    site.playbook("verify_deploy.yml", "-e", "allow_live=true")
    assert serving(site) == number
    nothing_is_left(site)
    site.inventory(path, **settings("localhost", site.address))
    site.playbook("deploy.yml")


def change(playbill: Example, more: str) -> None:
    """Commit v3, with these settings besides."""
    playbill.set_branch("staging", "v3")
    text = playbill.git("show", "v3:playbill/settings.py")
    playbill.commit({"playbill/settings.py": f"{text}\n{more}"})


def test_a_database_of_its_own_for_each_release(site: Host, playbill: Example) -> None:
    """The site answers 200 all the time, and nobody would notice."""
    change(playbill, OWN_DATABASE)
    site.playbook("deploy.yml")
    number = serving(site)
    said = fail(site)
    assert f"The row that release {number} wrote to the database 'default' is not there" in said
    assert f"/shared/{number + 1}.sqlite3, and was {HOME}/shared/{number}.sqlite3" in said
    assert "app_shared_paths" in said


def test_uploads_of_their_own_for_each_release(site: Host, playbill: Example) -> None:
    change(playbill, OWN_UPLOADS)
    site.playbook("deploy.yml")
    number = serving(site)
    said = fail(site)
    assert f"The upload that release {number} saved is not there for release {number + 1}" in said
    assert "The folder of MEDIA_ROOT must be the same one for all releases" in said


def test_uploads_that_the_web_server_does_not_find(site: Host, playbill: Example) -> None:
    change(playbill, ELSEWHERE)
    site.playbook("deploy.yml")
    said = fail(site)
    assert f"The upload is in {HOME}/shared/elsewhere, and the web server does not show it" in said
    assert "answers 404" in said


def test_uploads_that_nothing_keeps(site: Host, playbill: Example) -> None:
    """It is told before anything is deployed."""
    playbill.set_branch("staging", "v3")
    more = ("-e", json.dumps({"app_shared_paths": ["db.sqlite3"], "app_media_path": ""}))
    site.playbook("deploy.yml", *more)
    number = max(results(site))
    said = fail(site, *more)
    assert "MEDIA_ROOT is media inside the release's tree" in said
    assert "app_shared_paths: [..., media/]" in said
    assert max(results(site)) == number


def test_a_database_that_nothing_keeps(site: Host) -> None:
    """The deploy itself refuses that, and the marks go."""
    site.playbook("deploy.yml")
    said = fail(site, "-e", json.dumps({"app_shared_paths": ["media/"]}))
    assert "every release would start with an empty one" in said
    assert "app_shared_paths: [..., db.sqlite3]" in said
