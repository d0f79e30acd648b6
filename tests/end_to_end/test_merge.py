"""deploy.yml -e merge=…: a branch is merged on the controller, pushed, and the result deployed.

The repository is on the host, and the controller pushes to it over ssh with a key of its own. The
tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from example import ON_HOST, Example
from host import Host, PlaybookRun, ansible_playbook, key

pytestmark = [pytest.mark.extended, pytest.mark.story]


class Story:
    """One host, on which release 1 serves, and somebody who merges."""

    def __init__(self, host: Host, example: Example, folder: Path) -> None:
        self.host, self.example = host, example
        self.inventory, self.home = folder / "staging", folder / "home"
        self.home.mkdir()
        # As a person has git: a name, and a key that the repository knows.
        ssh = shlex.join(["ssh", *host.ssh_options, "-i", str(key())])
        (self.home / "gitconfig").write_text(
            "[user]\n name = Ada\n email = ada@example.org\n"
            f"[core]\n sshCommand = {json.dumps(ssh)}\n"
        )
        self.settings = json.loads(host.last_inventory.read_text())
        self.set(checkout_controller_repository=f"ssh://deploy@{host.address}{ON_HOST}")

    def set(self, **settings: Any) -> None:
        """Change settings."""
        self.settings["staging"]["hosts"][self.host.container].update(settings)
        self.inventory.write_text(json.dumps(self.settings))

    def deploy(self, *arguments: str, check: bool = True) -> PlaybookRun:
        """Deploy as that person."""
        env = {"GIT_CONFIG_GLOBAL": str(self.home / "gitconfig")}
        return ansible_playbook(self.inventory, "deploy.yml", *arguments, check=check, env=env)

    def refuse(self, *arguments: str) -> str:
        """Deploy what must be refused, and return the message; nothing may have changed."""
        before = self.state()
        run = self.deploy(*arguments, check=False)
        assert run.returncode != 0, run.output
        assert self.state() == before
        recap = run.recap[self.host.container]
        assert (recap["failed"], recap["changed"]) == (1, 0)
        assert "Traceback" not in run.output
        return " ".join(run.stdout.split())

    def state(self) -> Any:
        """All that a merge which fails must leave alone: branches, host and working copy."""
        fetched = "/srv/playbill/build/repository"  # a cache, of which nothing is on stage
        listing = self.host.listing("/srv/playbill", "/etc/playbill")
        here = {path: what for path, what in listing.items() if not path.startswith(fetched)}
        assert "/srv/playbill/lock.json" not in here
        return self.branches(), here, self.working_copy()

    def branches(self) -> str:
        """Where the branches of the repository are."""
        return self.host.shell(f"git --git-dir={ON_HOST} for-each-ref", user="deploy")

    def working_copy(self) -> tuple[str, str]:
        """What the user has checked out, and has not committed yet."""
        return self.example.git("rev-parse", "HEAD"), self.example.git("status", "--porcelain")

    def tip(self, what: str = "%H", branch: str = "staging") -> str:
        """What the repository says of the commit that a branch is at."""
        command = ["git", f"--git-dir={ON_HOST}", "log", "-1", f"--format={what}", branch]
        return self.host.run(command, user="deploy").stdout.strip()

    def serves(self) -> str:
        """The commit that serves."""
        journal = json.loads(self.host.shell("cat /srv/playbill/journal.json"))["releases"]
        number = int(self.host.shell("basename $(readlink /srv/playbill/current)"))
        return next(str(e["revision"]) for e in journal if e["number"] == number)

    def branch(self, name: str, files: dict[str, str]) -> str:
        """Push a feature branch that starts where staging was at first, and has one commit."""
        self.example.git("switch", "--quiet", "-C", name, "v1")
        return self.example.commit(files, f"Work on {name}", name)


@pytest.fixture(scope="module")
def story(host: Host, playbill: Example, tmp_path_factory: pytest.TempPathFactory) -> Story:
    story = Story(host, playbill, tmp_path_factory.mktemp("merge"))
    story.deploy()
    return story


def note(word: str) -> dict[str, str]:
    """A change of the line that says which version it is."""
    return {"playbill/__init__.py": f'VERSION = "{word}"\nVERSION_NAME = "{word}"\n'}


def test_a_rehearsal_merges_and_pushes_nothing(story: Story) -> None:
    story.branch("feature/curtain", note("curtain"))
    before = story.state()
    run = story.deploy("--check", "-e", "merge=feature/curtain")
    assert "Would merge feature/curtain into staging, and push it:\n" in run.stdout
    assert "Work on feature/curtain\n" in run.stdout
    assert "\nWould deploy release 2.\n" in run.stdout
    assert story.state() == before


def test_the_branch_is_merged_and_the_result_deployed(story: Story) -> None:
    before, feature = story.tip(), story.tip(branch="feature/curtain")
    (story.example.path / "playbill/__init__.py").write_text("# not committed yet\n")
    mine = story.working_copy()
    run = story.deploy("-e", "merge=feature/curtain")
    assert story.working_copy() == mine
    story.example.git("checkout", "--quiet", "--", ".")
    assert f"Merged feature/curtain into staging, and pushed it as {story.tip()[:10]}" in run.stdout
    assert story.tip("%P") == f"{before} {feature}"
    assert story.tip("%B%an").split("\n") == ["Merge branch 'feature/curtain' into staging", "Ada"]
    assert story.serves() == story.tip()
    assert 'content="curtain"' in story.host.get("/").text


def test_what_is_merged_already(story: Story) -> None:
    before = story.branches()
    run = story.deploy("-e", "merge=feature/curtain")
    assert "feature/curtain is in staging already." in run.stdout
    assert "Nothing to do: release 2" in run.stdout
    assert story.branches() == before
    story.host.playbook("rollback.yml")
    story.deploy("-e", "merge=feature/curtain")
    assert story.serves() == story.tip()


def test_a_conflict_names_the_files(story: Story) -> None:
    story.branch("feature/spotlight", {**note("spotlight"), "notes.txt": "x"})
    for rehearsal in ([], ["--check"]):
        said = story.refuse("-e", "merge=feature/spotlight", *rehearsal)
        assert "feature/spotlight and staging both changed playbill/__init__.py, in ways" in said
        assert "is current, as before." in said


def test_a_branch_that_is_not_there(story: Story) -> None:
    said = story.refuse("-e", "merge=feature/nowhere")
    assert "merge is 'feature/nowhere', and the repository has no branch of that name" in said


def test_a_repository_that_cannot_be_reached(story: Story) -> None:
    good = f"ssh://deploy@{story.host.address}{ON_HOST}"
    story.set(checkout_controller_repository=f"ssh://nobody@{story.host.address}{ON_HOST}")
    said = story.refuse("-e", "merge=feature/curtain")
    story.set(checkout_controller_repository=good)
    assert "git clone failed on this machine, in a clone of its own; nothing was pushed" in said
    assert "Permission denied (publickey)" in said


def test_settings_that_do_not_go_together(story: Story) -> None:
    """Told by the controller alone, before any host is asked."""
    said = story.refuse("-e", "merge=feature/curtain", "-e", "rev=v1")
    assert "merge is 'feature/curtain', and rev is 'v1'; give one of them" in said
    assert "merge is 'staging', which is the branch of this environment itself" in story.refuse(
        "-e", "merge=staging"
    )
    good = f"ssh://deploy@{story.host.address}{ON_HOST}"
    story.set(checkout_controller_repository="")
    said = story.refuse("-e", "merge=feature/curtain")
    story.set(checkout_controller_repository=good)
    assert f"such as ssh://you@host{ON_HOST}." in said


def hook(story: Story, script: str) -> None:
    """Have the repository look at a push; an empty script takes that away."""
    path = f"{ON_HOST}/hooks/pre-receive"
    if script:
        install = ["install", "-m", "755", "-o", "deploy", "/dev/stdin", path]
        story.host.run(install, stdin=f"#!/bin/sh\n{script}\n")
    else:
        story.host.run(["rm", path])


def test_a_branch_that_is_protected(story: Story) -> None:
    story.branch("feature/trapdoor", {"trapdoor.txt": "1"})
    hook(story, "echo staging is protected; exit 1")
    said = story.refuse("-e", "merge=feature/trapdoor")
    hook(story, "")
    assert "the repository refused it; nothing was pushed" in said
    assert "staging is protected" in said


def test_somebody_who_is_faster(story: Story) -> None:
    """The first push comes second; the merge is made again, with what the other has pushed."""
    hooks = story.home / "hooks"
    hooks.mkdir()
    other = story.example.path
    (hooks / "pre-push").write_text(
        f"#!/bin/sh\nrm $0; cd {other} && git fetch --quiet && git switch --quiet -C faster "
        "origin/staging && git -c core.hooksPath=/dev/null commit --quiet --allow-empty "
        "-m 'Somebody was faster' && git -c core.hooksPath=/dev/null push --quiet origin "
        "faster:staging\n"
    )
    (hooks / "pre-push").chmod(0o755)
    with (story.home / "gitconfig").open("a") as file:
        file.write(f" hooksPath = {hooks}\n")
    story.deploy("-e", "merge=feature/trapdoor")
    assert story.tip("%s", "staging^1") == "Somebody was faster"
    assert story.tip("%s", "staging^2") == "Work on feature/trapdoor"
    assert story.serves() == story.tip()
