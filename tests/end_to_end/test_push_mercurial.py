"""A push is a deploy: hg push to a host that has a repository. What git does is in test_push.py."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from example import Example, settings
from fleet import release_of
from host import Host, Load, command, key

from tests.end_to_end.releases import HOME, journal, wait_until_up

pytestmark = [pytest.mark.extended, pytest.mark.story]


class HgPushes:
    """Somebody who pushes to a host with Mercurial."""

    def __init__(self, host: Host, example: Example, folder: Path) -> None:
        self.host, self.example, self.work = host, example, folder / "work"
        hgrc = folder / "hgrc"
        ssh = shlex.join(["ssh", *host.ssh_options, "-i", str(key())])
        hgrc.write_text(f"[ui]\nusername = Ada\nssh = {ssh}\n")
        self.env = {**os.environ, "HGRCPATH": str(hgrc)}
        self.address = f"ssh://playbill-push@{host.address}/playbill"
        command("hg", "init", self.work)

    def hg(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Mercurial in the working copy."""
        return command("hg", "-R", self.work, *arguments, env=self.env, check=check)

    def commit(self, version: str) -> str:
        """Commit a version of the example; the hash."""
        self.example.git(f"--work-tree={self.work}", "checkout", "--force", version, "--", ".")
        (self.work / "README.md").write_text(f"{time.time()}\n")
        self.hg("addremove", "--quiet")
        self.hg("commit", "--message", version)
        return self.hg("log", "--rev", ".", "--template", "{node}").stdout

    def push(self, *arguments: str, check: bool = True) -> str:
        """Push, and return what was said."""
        run = self.hg("push", *arguments, self.address, check=check)
        assert check or run.returncode not in (0, 1), run.stdout
        return run.stdout + run.stderr

    def tip(self, branch: str = "default") -> str:
        """What the branch on the host names."""
        argv = ["hg", "-R", f"{HOME}/push/playbill", "log", "-r", branch, "-T", "{node}"]
        return self.host.run(argv, user="playbill-push", check=False).stdout


@pytest.fixture(scope="module")
def hg_pushes(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> HgPushes:
    """A host that takes pushes with Mercurial."""
    host, folder = start_host(image=provisioned_image), tmp_path_factory.mktemp("hg")
    public = Path(f"{key()}.pub").read_text().strip()
    host.inventory(
        folder / "staging",
        **settings("localhost", host.address),
        app_source_control="hg",
        push_keys=[public.replace("greenroom test host", "ada@laptop")],
    )
    for role in ("checkout", "push"):  # what is different from the host above
        host.prepare(role)
    return HgPushes(host, Example.make(tmp_path_factory.mktemp("playbill")), folder)


def test_mercurial_pushes_and_it_is_live(hg_pushes: HgPushes) -> None:
    node = hg_pushes.commit("v1")
    said = hg_pushes.push()
    assert "remote: -----> Fetch the repository" in said
    assert (release_of(hg_pushes.host), hg_pushes.tip()) == (1, node)
    last = list(journal(hg_pushes.host).values())[-1]
    assert (last["by"], last["revision"]) == ("ada@laptop", node)
    node = hg_pushes.commit("v2")
    with Load(hg_pushes.host) as load:
        hg_pushes.push()
        assert (release_of(hg_pushes.host), hg_pushes.tip()) == (2, node)
    assert load.failures == 0, str(load)


def test_mercurial_takes_nothing_of_a_push_that_fails(hg_pushes: HgPushes) -> None:
    served = hg_pushes.tip()
    hg_pushes.commit("v4")
    with Load(hg_pushes.host) as load:
        said = hg_pushes.push(check=False)
    assert load.failures == 0, str(load)
    assert "The understudy forgot the lines" in said
    assert "Release 2 is current, as before." in said
    assert (release_of(hg_pushes.host), hg_pushes.tip()) == (2, served)
    hg_pushes.hg("--config", "extensions.strip=", "strip", "--no-backup", "tip")


def test_what_comes_to_another_branch_is_kept(hg_pushes: HgPushes) -> None:
    hg_pushes.hg("branch", "feature")
    node = hg_pushes.commit("v3")
    assert "It deploys nothing" in hg_pushes.push("--new-branch")
    assert (release_of(hg_pushes.host), hg_pushes.tip("feature")) == (2, node)
    hg_pushes.hg("update", "--clean", "default")


def test_two_heads_are_refused(hg_pushes: HgPushes) -> None:
    served = hg_pushes.tip()
    hg_pushes.hg("update", "--clean", "default~1")
    hg_pushes.commit("v1")
    assert "would have 2 heads" in hg_pushes.push("--force", check=False)
    assert (release_of(hg_pushes.host), hg_pushes.tip()) == (2, served)


def test_a_key_reads_this_repository_alone(hg_pushes: HgPushes) -> None:
    for address in ("/srv/playbill/build/hg", "other"):
        other = hg_pushes.address.replace("/playbill", f"/{address}")
        assert hg_pushes.hg("push", other, check=False).returncode == 255


def test_a_rollback_and_a_reboot(hg_pushes: HgPushes) -> None:
    with Load(hg_pushes.host) as load:
        hg_pushes.host.playbook("rollback.yml")
        assert release_of(hg_pushes.host) == 1
    assert load.failures == 0, str(load)
    hg_pushes.host.reboot()
    wait_until_up(hg_pushes.host)
    assert release_of(hg_pushes.host) == 1
