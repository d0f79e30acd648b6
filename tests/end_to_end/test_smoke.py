"""Pages that are tried through the web server after a handover, from the controller, under load.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from example import Example
from host import Host, Load, PlaybookRun, ansible_playbook

pytestmark = [pytest.mark.extended, pytest.mark.story]

PAGES = [
    {"path": "/", "contains": 'name="playbill-version"', "headers": {"Content-Type": "text/html"}},
    {
        "path": "/static/playbill/playbill.css",
        "headers": {"Content-Type": "text/css", "Cache-Control": "max-age=3600"},
    },
    {"path": "/nowhere/", "status": 404},
]


class Story:
    """One host, and pages that change from chapter to chapter."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self.inventory = host, folder / "staging"
        self.settings = json.loads(host.last_inventory.read_text())

    def deploy(self, pages: list[Any], *arguments: str, check: bool = True) -> PlaybookRun:
        """Deploy, and try these pages."""
        variables = self.settings["staging"]["hosts"][self.host.container]
        variables["app_smoke_pages"] = pages
        self.inventory.write_text(json.dumps(self.settings))
        return ansible_playbook(self.inventory, "deploy.yml", *arguments, check=check)

    def serves(self) -> int:
        """The release on stage."""
        return int(self.host.shell("basename $(readlink /srv/playbill/current)"))

    def result(self, number: int) -> str:
        """How a release ended."""
        journal = json.loads(self.host.shell("cat /srv/playbill/journal.json"))["releases"]
        (result,) = (entry["result"] for entry in journal if entry["number"] == number)
        return str(result)


@pytest.fixture(scope="module")
def story(host: Host, playbill: Example, tmp_path_factory: pytest.TempPathFactory) -> Story:
    playbill.set_branch("staging", "v1")
    return Story(host, tmp_path_factory.mktemp("smoke"))


def test_pages_that_are_as_they_should_be(story: Story) -> None:
    """Through the web server they are asked for once, by the controller, and not from the host."""
    story.deploy(PAGES)
    assert story.serves() == 1
    asked = story.host.shell("grep -h 'GET /nowhere/ ' /var/log/nginx/*.log || true").splitlines()
    assert len(asked) == 1
    assert not asked[0].startswith("127.0.0.1")


def test_a_page_that_is_not_takes_the_handover_back(story: Story, playbill: Example) -> None:
    playbill.set_branch("staging", "v2")
    wrong = [
        {"path": "/", "contains": "Nobody says this", "green_room": False},
        {"path": "/static/playbill/playbill.css", "headers": {"Cache-Control": "immutable"}},
        {"path": "/gone/", "green_room": False},
    ]
    with Load(story.host) as load:
        run = story.deploy([*PAGES, *wrong], check=False)
    assert run.returncode != 0
    assert (
        "Of 6 pages, these are not as they should be:\n"
        "- / should have 'Nobody says this' in it, and has not.\n"
        "- /static/playbill/playbill.css should have the header Cache-Control with 'immutable' in "
        "it, and has 'public, max-age=3600'.\n"
        "- /gone/ should answer 200, and what came was 404 Not Found.\n"
    ) in run.stdout
    assert "Release 1 is current, as before." in " ".join(run.stdout.split())
    assert load.failures == 0, str(load)
    assert (story.serves(), story.result(2)) == (1, "failed")
    assert 'name="playbill-version" content="v1"' in story.host.get("/").text


def test_a_page_that_is_not_keeps_it_in_the_green_room(story: Story) -> None:
    """Nobody could have seen it. What the web server answers is not tried there."""
    wrong = [{"path": "/", "contains": "Nobody says this"}, {"path": "/static/none.css"}]
    run = story.deploy(wrong, check=False)
    assert run.returncode != 0
    said = " ".join(run.stdout.split())
    assert "Release 3 did not prove itself. Of 1 pages, these are not as they should be:" in said
    assert "- / should have 'Nobody says this' in it, and has not." in said
    assert "Release 1 is current, as before." in said
    assert (story.serves(), story.result(3)) == (1, "failed")


def test_a_rehearsal_asks_nobody(story: Story) -> None:
    run = story.deploy([{"url": "http://192.0.2.1/"}], "--check")
    assert "Would deploy release 4" in run.stdout


def test_a_site_in_maintenance(story: Story) -> None:
    story.host.shell("touch /srv/playbill/maintenance")
    run = story.deploy(PAGES)
    story.host.shell("rm /srv/playbill/maintenance")
    assert "No page was tried: the site is in maintenance." in run.output
    assert story.serves() == 4
    assert 'name="playbill-version" content="v2"' in story.host.get("/").text
