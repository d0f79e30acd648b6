"""From a feature branch to live: merged, deployed on staging, tested in a browser, promoted.

Two hosts, staging and live, that fetch from one repository. The tests of this module are one story,
told in their order.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from example import ON_HOST, Example, settings
from host import CHECKOUT, Host, Load, PlaybookRun, ansible_playbook, command, key

pytestmark = pytest.mark.story

BROWSER = '''\
"""What a visitor does, in a browser, wherever the site is."""

import os

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By


@pytest.fixture
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    with webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver")) as browser:
        browser.implicitly_wait(20)
        yield browser


def test_a_show_is_announced(browser):
    browser.get(f"http://{os.environ['STAGING_SERVER']}/")
    assert "Playbill" in browser.title
    browser.find_element(By.LINK_TEXT, "Announce a show").click()
    browser.find_element(By.ID, "id_title").send_keys("Hamlet")
    browser.find_element(By.ID, "id_description").send_keys("He cannot make up his mind.")
    date = browser.find_element(By.ID, "id_date")
    browser.execute_script("arguments[0].value = '2030-01-31'", date)
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    assert "Hamlet" in browser.find_element(By.CSS_SELECTOR, "ul.bill").text
'''
TESTS = "pytest -p no:cacheprovider functional_tests"
GATE = "The gate is closed to revision "


class Story:
    """A host for each environment, and somebody who works on the site."""

    def __init__(self, staging: Host, live: Host, example: Example, folder: Path) -> None:
        self.staging, self.live, self.example = staging, live, example
        self.inventories = {"staging": folder / "staging", "live": folder / "live"}
        self.gitconfig = folder / "gitconfig"
        ssh = shlex.join(["ssh", *staging.ssh_options, "-i", str(key())])
        self.gitconfig.write_text(
            "[user]\n name = Ada\n email = ada@example.org\n"
            f"[core]\n sshCommand = {json.dumps(ssh)}\n"
        )
        self.repository = f"ssh://deploy@{staging.address}{ON_HOST}"
        self.settings: dict[str, Any] = {
            "app_functional_tests": TESTS,
            "checkout_controller_repository": self.repository,
            "app_smoke_pages": [{"path": "/", "contains": "Playbill"}],
        }
        self.write()

    def write(self, **more: Any) -> None:
        """Write both inventories."""
        ours = {**self.settings, **more}
        self.staging.inventory(
            self.inventories["staging"],
            "staging",
            **settings("localhost", self.staging.address),
            app_url=f"http://{self.staging.address}",
            **ours,
        )
        known = self.staging.shell("cut -d' ' -f1-2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
        mine = {
            **settings("localhost", self.live.address),
            "app_repository": self.repository,
            "checkout_known_hosts": [f"{self.staging.address} {known}"],
        }
        self.live.inventory(self.inventories["live"], "live", **mine, **ours)

    def run(self, environment: str, *arguments: str, check: bool = True) -> PlaybookRun:
        """Run a playbook on one environment, or on "both"."""
        first, *more = (
            self.inventories.values() if environment == "both" else [self.inventories[environment]]
        )
        words = [word for inventory in more for word in ("-i", str(inventory))]
        env = {"GIT_CONFIG_GLOBAL": str(self.gitconfig)}
        return ansible_playbook(first, *arguments, *words, check=check, env=env)

    def refuse(self, environment: str, *arguments: str) -> str:
        """Run what must be refused, and return the message; nothing may have changed on live."""
        before = self.live.checksum("/srv/playbill/journal.json", "/srv/playbill/releases")
        run = self.run(environment, *arguments, check=False)
        assert run.returncode != 0, run.output
        assert "Traceback" not in run.output
        assert self.live.checksum("/srv/playbill/journal.json", "/srv/playbill/releases") == before
        return " ".join(run.output.split())

    def entry(self, host: Host) -> dict[str, Any]:
        """What the journal says of the release that serves."""
        journal = json.loads(host.shell("cat /srv/playbill/journal.json"))["releases"]
        number = int(host.shell("basename $(readlink /srv/playbill/current)"))
        return next(dict(entry) for entry in journal if entry["number"] == number)

    def change(self, branch: str, **texts: str) -> str:
        """Push a change with the functional tests, and with other texts in the front page."""
        page = "shows/templates/shows/index.html"
        self.example.git("switch", "--quiet", "-C", branch, "v2")
        text = (self.example.path / page).read_text()
        for old, new in texts.items():
            text = text.replace(old, new)
        files = {page: text, "functional_tests/test_visitor.py": BROWSER}
        return self.example.commit(files, f"Work on {branch}", branch)


@pytest.fixture(scope="module")
def story(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Story:
    command(CHECKOUT / "tools" / "packages", "chromium", "chromium-driver")
    folder = tmp_path_factory.mktemp("gate")
    staging, live = (start_host(image=provisioned_image) for _ in range(2))
    live.shell("rm -r /srv/git")
    example = Example.make(folder / "playbill")
    example.publish(staging)
    for branch in ("staging", "live"):
        example.set_branch(branch, "v2")
    story = Story(staging, live, example, folder)
    for environment in story.inventories:
        story.run(environment, "site.yml")
    key_of_live = live.shell("cat /srv/playbill/access/.ssh/deploy_key.pub")
    staging.run(["tee", "-a", "/home/deploy/.ssh/authorized_keys"], stdin=key_of_live)
    return story


def test_live_refuses_what_was_never_tested(story: Story) -> None:
    said = story.refuse("live", "deploy.yml")
    assert GATE in said
    assert "have not passed there, as far as is known here" in said
    assert "-e allow_untested=true" in said


def test_a_gate_that_is_opened_is_in_the_journal(story: Story) -> None:
    story.run("live", "deploy.yml", "-e", "allow_untested=true")
    entry = story.entry(story.live)
    assert entry["gate"].startswith("opened by ")
    assert "gate opened by" in story.run("live", "status.yml").stdout


def test_a_feature_is_merged_deployed_and_tested_in_a_browser(story: Story) -> None:
    story.change("feature/welcome", Playbill="Playbill welcomes you")
    run = story.run("staging", "deploy.yml", "-e", "merge=feature/welcome")
    assert f"Running '{TESTS}' of " in run.stdout
    assert "1 passed" in run.stdout
    entry = story.entry(story.staging)
    assert (entry["tests"]["result"], entry["tests"]["command"]) == ("passed", TESTS)
    assert entry["tests"]["by"] == entry["by"]
    assert abs(entry["tests"]["at"] - entry["on_stage"]) < 60
    assert "Hamlet" in story.staging.get("/").text
    assert not story.staging.shell("ls /srv/playbill/lock.json 2>/dev/null || true")
    assert "serves, tests passed" in story.run("staging", "status.yml").stdout


def test_it_is_promoted_and_rolled_back_under_load(story: Story) -> None:
    rehearsal = story.run("both", "promote.yml", "--check")
    assert "Would deploy release 2" in rehearsal.stdout
    assert story.entry(story.live)["number"] == 1
    with Load(story.live) as load:
        story.run("both", "promote.yml")
        promoted = story.entry(story.live)
        assert "Playbill welcomes you" in story.live.get("/").text
        story.run("live", "rollback.yml")
    assert load.failures == 0, str(load)
    tested = story.entry(story.staging)
    assert promoted["revision"] == tested["revision"]
    assert promoted["tests"] == tested["tests"]
    assert "gate" not in promoted
    assert story.entry(story.live)["number"] == 1
    assert story.staging.shell("cat /srv/playbill/journal.json").count('"number"') == 1


def test_what_is_tested_may_be_deployed_again(story: Story) -> None:
    """As with a secret that was changed: it is the same revision."""
    revision = story.entry(story.staging)["revision"]
    story.write(app_health_timeout=31, app_shared_paths=["media/", "db.sqlite3", "more/"])
    story.run("live", "deploy.yml", "-e", f"rev={revision}")
    story.write()
    assert story.entry(story.live)["tests"]["result"] == "passed"


def test_tests_that_fail(story: Story) -> None:
    """The release stays on staging, where one can look at it, and comes no further."""
    story.example.set_branch("staging", story.change("broken", bill="paper"))
    run = story.run("staging", "deploy.yml", check=False)
    assert run.returncode != 0
    assert f"The functional tests of release 2 failed: {TESTS} ended with 1" in " ".join(
        run.output.split()
    )
    assert story.entry(story.staging)["tests"]["result"] == "failed"
    assert not story.staging.shell("ls /srv/playbill/lock.json 2>/dev/null || true")
    said = story.refuse("both", "promote.yml")
    assert GATE in said
    assert f"failed there ({TESTS}, run by " in said
    story.run("both", "promote.yml", "-e", "allow_untested=true")
    entry = story.entry(story.live)
    assert entry["tests"]["result"] == "failed"
    assert entry["gate"].startswith("opened by ")


def test_staging_that_is_not_well(story: Story) -> None:
    number = story.entry(story.staging)["number"]
    story.staging.shell(f"systemctl stop playbill@{number}")
    said = story.refuse("both", "promote.yml", "-e", "allow_untested=true")
    story.staging.shell(f"systemctl start playbill@{number}")
    assert "Staging is not fit to be put live; nothing was changed: " in said


def test_staging_of_two_minds(story: Story) -> None:
    """Its second host is that of live, by another name: it serves an older release."""
    story.run("live", "rollback.yml")
    staging, live = (json.loads(path.read_text()) for path in story.inventories.values())
    (second,) = live["live"]["hosts"].values()
    staging["staging"]["hosts"]["second"] = second
    both = json.dumps(staging)
    story.inventories["staging"].write_text(both)
    said = story.refuse("both", "promote.yml")
    story.write()
    assert "its hosts do not serve the same release: " in said


@pytest.mark.parametrize(
    ("environment", "arguments", "said"),
    [
        ("staging", ["promote.yml"], "This works on both environments, and the inventory has no "),
        ("both", ["promote.yml", "-e", "rev=v1"], "rev is 'v1', and promote.yml takes none;"),
        (
            "both",
            ["promote.yml", "-e", "allow_untested=perhaps"],
            "allow_untested is 'perhaps'; it should be yes or no.",
        ),
        ("both", ["deploy.yml"], "The inventory has hosts in both groups, staging and live."),
        ("live", ["functional_tests.yml"], "so they run on staging; this is live."),
        (
            "staging",
            ["functional_tests.yml", "-e", "app_functional_tests=no-such-program"],
            "no-such-program is no program of this machine, where the tests run.",
        ),
        (
            "staging",
            ["functional_tests.yml", "-e", "app_functional_tests=./none"],
            "./none cannot be run on this machine, where the tests run in a clone of the reposi",
        ),
        ("live", ["rollback.yml", "-e", "merge=staging"], "merge is 'staging', and rollback.yml"),
    ],
)
def test_what_is_refused(story: Story, environment: str, arguments: list[str], said: str) -> None:
    assert said in story.refuse(environment, *arguments)
    assert not story.staging.shell("ls /srv/playbill/lock.json 2>/dev/null || true")
