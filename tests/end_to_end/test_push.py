"""A push is a deploy: git push to a host. What Mercurial does is in test_push_mercurial.py."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time

import pytest
from example import Example, settings
from fleet import release_of
from host import Host, Load, command, key

from tests.end_to_end.releases import HOME, journal, wait_until_up

pytestmark = pytest.mark.story

REPOSITORY = f"{HOME}/push/playbill.git"
OLDER = "is older than the current release"
KEY = "ssh-ed25519 AAAA ada@laptop"


class Pushes:
    """Somebody who pushes to a host with git."""

    def __init__(self, host: Host, example: Example) -> None:
        self.host, self.example = host, example
        ssh = ["ssh", *host.ssh_options, "-i", str(key())]
        example.git("config", "core.sshCommand", shlex.join(ssh))
        self.ssh = [*ssh, f"playbill-push@{host.address}"]
        self.address = f"ssh://playbill-push@{host.address}/playbill.git"
        example.git("remote", "add", "staging", self.address)
        example.git("switch", "--quiet", "--force-create", "main", "v1")

    def argv(self, *arguments: str) -> list[str]:
        """The command of a push."""
        return ["git", "-C", str(self.example.path), "push", *arguments]

    def push(self, *arguments: str) -> str:
        """Push, and return what was said."""
        run = command(*self.argv(*(arguments or ("staging", "main"))))
        return run.stderr

    def refuse(self, *arguments: str) -> str:
        """Push what must be refused, and return what was said; nothing may have changed."""
        before = self.branch(), release_of(self.host)
        run = command(*self.argv(*(arguments or ("staging", "main"))), check=False)
        assert run.returncode != 0, run.stderr
        assert (self.branch(), release_of(self.host)) == before
        assert "greenroom/push" not in run.stderr, "it gives a reason, and no traceback of its own"
        return " ".join(re.sub("^remote:", "", run.stderr, flags=re.MULTILINE).split())

    def branch(self) -> str:
        """What the branch on the host names."""
        argv = ["git", f"--git-dir={REPOSITORY}", "rev-parse", "--verify", "--quiet", "main"]
        return self.host.run(argv, user="playbill-push", check=False).stdout.strip()

    def commit(self, **files: str) -> str:
        """Commit a change on main, and return its hash."""
        for name, text in files.items():
            (self.example.path / name).write_text(text)
            self.example.git("add", "--force", name)
        self.example.git("commit", "--quiet", "--allow-empty", "--message", "A change")
        return self.example.git("rev-parse", "HEAD")

    def take(self, version: str) -> str:
        """Go on from a version of the example's history."""
        self.example.git("merge", "--quiet", "--ff-only", version)
        return self.example.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def pushes(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Pushes:
    """A host that takes pushes of whoever runs this: their own key is all that it was told."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ssh").mkdir(mode=0o700)
    shutil.copy(f"{key()}.pub", home / ".ssh" / "id_ed25519.pub")
    own = settings("localhost", host.address) | {"app_repository": "git@github.com:you/blog.git"}
    host.inventory(host.last_inventory, **own)
    before = host.checksum("/etc", "/opt", "/usr/local", HOME)
    assert host.prepare("push", "--check", env={"HOME": str(home)}).recap[host.container]["changed"]
    assert host.checksum("/etc", "/opt", "/usr/local", HOME) == before
    said = host.playbook("push.yml", env={"HOME": str(home)}).stdout
    assert f"git remote add staging ssh://playbill-push@{host.address}/playbill.git" in said
    again = host.prepare("push", env={"HOME": str(home)})
    assert again.recap[host.container]["changed"] == 0
    return Pushes(host, Example.make(tmp_path_factory.mktemp("playbill")))


def test_a_push_to_a_fresh_host_is_live(pushes: Pushes) -> None:
    said = pushes.push()
    assert release_of(pushes.host) == 1
    assert "remote: -----> Fetch the repository" in said
    assert "remote: -----> Record" not in said.split("-----> Fetch the repository")[0]
    assert len(said.splitlines()) < 60, said
    assert pushes.branch() == pushes.example.git("rev-parse", "v1")
    assert list(journal(pushes.host).values())[-1]["by"] == "greenroom-test-host"


def test_nobody_notices_the_next_one(pushes: Pushes) -> None:
    pushes.take("v2")
    with Load(pushes.host) as load:
        pushes.push()
        assert release_of(pushes.host) == 2
    assert load.failures == 0, str(load)
    assert pushes.branch() == pushes.example.git("rev-parse", "v2")


def test_one_that_crashes_is_refused_and_the_old_one_serves(pushes: Pushes) -> None:
    pushes.take("v4")
    with Load(pushes.host) as load:
        said = pushes.refuse()
    assert load.failures == 0, str(load)
    pushes.example.git("reset", "--quiet", "--hard", "v2")
    assert "The understudy forgot the lines" in said
    assert "Release 2 is current, as before." in said
    assert "[remote rejected] main -> main" in said


def test_history_that_was_rewritten_is_a_release_like_any_other(pushes: Pushes) -> None:
    first = pushes.commit()
    pushes.push()
    pushes.example.git("commit", "--quiet", "--amend", "--allow-empty", "--message", "Another")
    pushes.push("--force", "staging", "main")
    assert pushes.branch() == pushes.example.git("rev-parse", "HEAD") != first
    assert [entry["result"] for entry in journal(pushes.host).values()] == [
        "good",
        "good",
        "failed",
        "good",
        "good",
    ]


def test_an_older_commit_is_what_a_rollback_is_for(pushes: Pushes) -> None:
    said = pushes.refuse("--force", "staging", "main~1:main")
    assert OLDER in said
    assert f"rollback.yml -e rev={pushes.example.git('rev-parse', 'main~1')[:12]}" in said


def test_the_branch_follows_a_rollback_and_a_push_goes_forward_again(pushes: Pushes) -> None:
    tip = pushes.commit()
    pushes.push()
    served = release_of(pushes.host)
    with Load(pushes.host) as load:
        pushes.host.playbook("rollback.yml")
        assert release_of(pushes.host) < served
        pushes.push()
    assert load.failures == 0, str(load)
    assert (release_of(pushes.host), pushes.branch()) == (served + 1, tip)


def test_only_the_branch_is_a_deploy(pushes: Pushes) -> None:
    before = release_of(pushes.host)
    assert "cannot be deleted" in pushes.refuse("staging", ":main")
    assert "git push REMOTE feature:main" in pushes.refuse("staging", "main:feature")
    assert "nothing else is kept" in pushes.refuse("staging", "main:refs/notes/x")
    pushes.example.git("tag", "opening-night")
    assert "deploys nothing" in pushes.push("staging", "opening-night")
    assert "Everything up-to-date" in pushes.push()
    assert release_of(pushes.host) == before


def test_of_two_pushes_at_once_one_is_refused(pushes: Pushes) -> None:
    before = release_of(pushes.host)
    mine = pushes.commit(**{"README.md": "mine"})
    with subprocess.Popen(
        pushes.argv("staging", f"{mine}:main"), stderr=subprocess.PIPE, text=True
    ) as first:
        pushes.example.git("reset", "--quiet", "--hard", "HEAD~1")
        pushes.commit(**{"README.md": "theirs"})
        # From the first moment on, and not only once Ansible has begun.
        there = ["git", f"--git-dir={HOME}/push/incoming.git", "cat-file", "-e", mine]
        while first.poll() is None and pushes.host.run(there, check=False).returncode:
            time.sleep(0.05)
        second = command(*pushes.argv("staging", "main"), check=False)
        said = first.communicate()[1]
    assert first.returncode == 0, said
    assert second.returncode != 0
    assert "greenroom-test-host is at work here" in second.stderr, second.stderr
    assert (release_of(pushes.host), pushes.branch()) == (before + 1, mine)
    assert "fetch first" in pushes.refuse() or "non-fast-forward" in pushes.refuse()
    pushes.example.git("reset", "--quiet", "--hard", mine)


def wait_for_the_lock(host: Host, held: bool = True) -> None:
    """Wait until a deploy has begun, or has ended."""
    for _ in range(300):
        there = host.run(["test", "-e", f"{HOME}/lock.json"], check=False).returncode == 0
        if there == held:
            return
        time.sleep(0.1)
    raise AssertionError("no deploy began" if held else "it does not end")


def test_a_deploy_ends_well_though_nobody_listens_any_more(pushes: Pushes) -> None:
    before = release_of(pushes.host)
    tip = pushes.commit()
    with subprocess.Popen(
        pushes.argv("staging", "main"), stderr=subprocess.PIPE, start_new_session=True
    ) as gone:
        wait_for_the_lock(pushes.host)
        os.killpg(gone.pid, 9)
    wait_for_the_lock(pushes.host, held=False)
    assert release_of(pushes.host) == before + 1
    for _ in range(100):  # the branch follows when all of the deploy has ended
        if pushes.branch() == tip:
            break
        time.sleep(0.1)
    assert "Everything up-to-date" in pushes.push(), "the branch is at the current release"
    assert pushes.branch() == tip


def test_a_tag_is_gone_back_to(pushes: Pushes) -> None:
    pushes.host.playbook("rollback.yml", "-e", "rev=opening-night")
    serves = journal(pushes.host)[release_of(pushes.host)]
    assert serves["revision"] == pushes.example.git("rev-parse", "opening-night")


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "id",
        "git-upload-pack playbill.git",
        "git-receive-pack '/srv/git/playbill.git'",
        "git-receive-pack 'other.git'",
        "git-receive-pack 'playbill.git'; id",
        "git-receive-pack '$(id)'",
        "git-receive-pack --upload-pack=id 'playbill.git'",
        "hg -R playbill serve --stdio",
        "scp -t /tmp",
    ],
)
def test_a_key_opens_nothing_else(pushes: Pushes, asked: str) -> None:
    run = command(*pushes.ssh, *([asked] if asked else []), check=False)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "playbill" in run.stderr
    assert "Traceback" not in run.stderr


def test_it_forwards_nothing_and_may_do_nothing_as_root(pushes: Pushes) -> None:
    forward = command(*pushes.ssh[:-1], "-W", "localhost:80", pushes.ssh[-1], check=False)
    assert forward.returncode != 0
    assert "administratively prohibited" in forward.stderr
    for argv in (["id"], ["/usr/local/lib/greenroom/push", "deploy", "other"]):
        tried = pushes.host.run(["sudo", "-n", *argv], user="playbill-push", check=False)
        assert tried.returncode != 0, argv
    secret = ["cat", "/etc/playbill/push/inventory.yml"]
    assert pushes.host.run(secret, user="playbill-push", check=False).returncode != 0
    assert pushes.host.run(secret, user="playbill", check=False).returncode != 0


def test_what_cannot_take_pushes_is_said_before_anything_is_changed(pushes: Pushes) -> None:
    pushes.host.run(["usermod", "--home", "/home/blog", "playbill-push"])
    before = pushes.host.checksum("/etc", "/opt", HOME)
    run = pushes.host.prepare("push", "-e", f"push_keys={json.dumps([KEY])}", check=False)
    assert "The user playbill-push is there, with /home/blog as its home" in run.stdout
    for given, should in (
        ({"push_keys": ["id_ed25519.pub"]}, "it should be a list of public keys"),
        ({"push_keys": []}, "push_keys is empty"),
        ({"push_branch": "a b"}, "push_branch is 'a b'; it should be the name of a branch"),
    ):
        run = pushes.host.playbook("push.yml", "-e", json.dumps(given), check=False)
        assert run.returncode != 0
        assert should in " ".join(run.stdout.split())
    assert pushes.host.checksum("/etc", "/opt", HOME) == before
    pushes.host.run(["usermod", "--home", f"{HOME}/push", "playbill-push"])


def test_what_serves_comes_up_after_a_reboot(pushes: Pushes) -> None:
    before = release_of(pushes.host), pushes.branch()
    pushes.host.reboot()
    wait_until_up(pushes.host)
    assert (release_of(pushes.host), pushes.branch()) == before
