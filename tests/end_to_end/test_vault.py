"""Secrets in a vault, from `make secrets` to a rollback, in a copy of the checkout.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from example import ON_HOST, Example
from host import CHECKOUT, Host, PlaybookRun, ansible_environment, command, recap_of

pytestmark = [pytest.mark.extended, pytest.mark.story]

VAULT = "group_vars/live/vault.yml"


@dataclass
class Clone:
    """The copy, whose inventories/live names the host; with all that was printed there."""

    path: Path
    host: Host
    output: str = field(default="")

    def run(self, *argv: str, check: bool = True, **environment: str) -> PlaybookRun:
        """Run a command there, as a person would."""
        run = command(*argv, cwd=self.path, check=check, env=ansible_environment(environment))
        self.output += run.stdout + run.stderr
        return PlaybookRun(run.returncode, run.stdout, run.stderr, 0, recap_of(run.stdout))

    def deploy(self, *arguments: str, check: bool = True) -> PlaybookRun:
        """Deploy to live, and say all that can be said."""
        what = ["ansible-playbook", "-i", "inventories/live", "deploy.yml", "-vvv", "--diff"]
        return self.run(*what, *arguments, check=check)

    def vault(self) -> str:
        """What is in the vault, which is not for the output."""
        view = ["ansible-vault", "view", VAULT]
        return command(*view, cwd=self.path, env=ansible_environment({})).stdout

    def key(self) -> str:
        """The secret key in the vault."""
        found = re.search(r'secret_key: "(.+)"', self.vault())
        assert found
        return found[1]

    def serves(self) -> tuple[int, str, str]:
        """The number and revision of the release on stage, and the secret key that it has."""
        number = int(self.host.shell("basename $(readlink /srv/playbill/current)"))
        journal = json.loads(self.host.shell("cat /srv/playbill/journal.json"))["releases"]
        (revision,) = (entry["revision"] for entry in journal if entry["number"] == number)
        key = re.search(r'SECRET_KEY="(.+)"', self.host.shell("cat /etc/playbill/env"))
        assert key
        return number, revision, key[1]


@pytest.fixture(scope="module")
def clone(host: Host, playbill: Example, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which nothing was done but steps 1 and 2 of the README."""
    playbill.set_branch("live", "v1")
    path = tmp_path_factory.mktemp("clone")
    listed = command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).exists():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, path / name, follow_symlinks=False)
    variables = {
        **host.variables(),
        "app_repository": ON_HOST,
        "app_domains": ["localhost"],
        "app_health_path": "/health/",
    }
    inventory = {"live": {"hosts": {"web": variables}}}
    (path / "inventories/live").write_text(json.dumps(inventory))
    return Clone(path, host)


def test_what_make_secrets_makes_is_deployed(clone: Clone) -> None:
    clone.run("tools/secrets", "live")
    clone.deploy()
    assert clone.serves()[0] == 1
    assert clone.serves()[2] == clone.key()
    assert [path.name for path in (clone.path / ".secrets").iterdir()] == ["vault-password"]


def test_a_secret_that_changes_makes_a_release_of_the_same_revision(clone: Clone) -> None:
    old = clone.serves()
    assert "Nothing to do" in clone.deploy().stdout
    editor = """sed -i 's|^secret_key: ".|secret_key: "another-night-|'"""
    clone.run("ansible-vault", "edit", VAULT, EDITOR=editor)
    assert clone.key() == f"another-night-{old[2][1:]}"
    clone.deploy()
    assert clone.serves() == (2, old[1], clone.key())
    clone.run("ansible-playbook", "-i", "inventories/live", "rollback.yml")
    assert clone.serves() == old


def test_a_vault_that_is_there_stays(clone: Clone) -> None:
    before = (clone.path / VAULT).read_bytes()
    clone.run("tools/secrets", "live")
    assert (clone.path / VAULT).read_bytes() == before


def test_a_vault_that_cannot_be_opened(clone: Clone) -> None:
    password = clone.path / ".secrets/vault-password"
    right, before = password.read_text(), clone.serves()
    password.write_text("wrong\n")
    run = clone.deploy(check=False)
    assert run.returncode != 0
    assert "group_vars/live/vault.yml cannot be opened with the password in .secrets" in run.output
    password.unlink()
    run = clone.deploy(check=False)
    assert run.returncode != 0
    assert f"{VAULT} is encrypted already. Put its password into .secrets/vault-pass" in run.output
    assert "TASK" not in run.stdout
    password.write_text(right)
    assert clone.serves() == before


def test_no_secret_was_shown(clone: Clone) -> None:
    for number in (1, 2):
        key = re.search(r'SECRET_KEY="(.+)"', clone.host.shell(f"cat /etc/playbill/{number}.env"))
        assert key
        assert key[1][10:] not in clone.output
    assert (clone.path / ".secrets/vault-password").read_text().strip() not in clone.output
