"""tools/secrets and tools/vault-password, in a checkout of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the pins

ROOT = Path(__file__).parents[2]
PASSWORD = ".secrets/vault-password"


class Checkout:
    """What of the checkout has to do with secrets, and nothing encrypted yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("ansible.cfg", "tools/secrets", "tools/vault-password"):
            (path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, path / name)
        shutil.copytree(
            ROOT / "group_vars",
            path / "group_vars",
            symlinks=True,
            ignore=shutil.ignore_patterns("vault.yml"),
        )

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        tools = Path(sys.executable).parent
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        environment = {**kept, "PATH": f"{tools}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            argv, cwd=self.path, env=environment, capture_output=True, text=True, check=check
        )

    def vault(self, environment: str) -> Any:
        """What is in a vault."""
        path = f"group_vars/{environment}/vault.yml"
        return yaml.safe_load(self.run("ansible-vault", "view", path).stdout)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One with both vaults, which are made once: each is a start of Ansible."""
    checkout = Checkout(tmp_path_factory.mktemp("encrypted"))
    for environment in ("staging", "live"):
        checkout.run("tools/secrets", environment)
    return checkout


def with_vaults(checkout: Checkout, encrypted: Checkout, *environments: str) -> None:
    """Give a checkout some of those vaults, and their password."""
    for name in (PASSWORD, *(f"group_vars/{e}/vault.yml" for e in environments)):
        (checkout.path / name).parent.mkdir(exist_ok=True)
        shutil.copy(encrypted.path / name, checkout.path / name)


def test_a_vault_of_fresh_secrets(checkout: Checkout) -> None:
    said = checkout.run("tools/secrets").stdout
    assert said.startswith("group_vars/staging/vault.yml is made, and encrypted: commit it.")
    checkout.run("tools/secrets", "live")
    staging, live = checkout.vault("staging"), checkout.vault("live")
    assert staging.keys() == live.keys() == {"secret_key"}
    assert len(staging["secret_key"]) >= 48
    assert staging != live
    for environment in ("staging", "live"):
        file = checkout.path / f"group_vars/{environment}/vault.yml"
        assert file.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
        assert file.stat().st_mode & 0o777 == 0o600
        assert (file.parent / "vars.yml").exists(), "one beside it would be ignored"


def test_one_that_is_there_stays(checkout: Checkout, encrypted: Checkout) -> None:
    with_vaults(checkout, encrypted, "live")
    file = checkout.path / "group_vars/live/vault.yml"
    before = file.read_text()
    said = checkout.run("tools/secrets", "live").stdout
    assert said == (
        "group_vars/live/vault.yml is there, and stays as it is. "
        "To edit it: ansible-vault edit group_vars/live/vault.yml\n"
    )
    assert file.read_text() == before


def test_the_key_that_an_environment_had_goes_on(checkout: Checkout) -> None:
    (checkout.path / ".secrets").mkdir()
    (checkout.path / ".secrets/live-secret-key").write_text("theKeyThatItHad\n")
    checkout.run("tools/secrets", "live")
    assert checkout.vault("live") == {"secret_key": "theKeyThatItHad"}


def test_an_environment_that_is_none(checkout: Checkout) -> None:
    run = checkout.run("tools/secrets", "production", check=False)
    assert run.returncode == 1
    assert run.stderr == ("secrets: environment is 'production'; it should be staging or live.\n")


def test_a_file_that_would_be_ignored(checkout: Checkout) -> None:
    """Ansible reads a folder of the group's name, or a file, and never both."""
    file = checkout.path / "group_vars/live.yml"
    file.unlink()  # a link into the folder, for those who look for the file
    file.write_text("app_branch: main\n")
    run = checkout.run("tools/secrets", "live", check=False)
    assert run.returncode == 1
    assert "group_vars/live.yml would be ignored beside a folder of that name" in run.stderr
    assert not (checkout.path / "group_vars/live/vault.yml").exists()


def test_nothing_is_left_where_it_cannot_be_encrypted(checkout: Checkout) -> None:
    (checkout.path / "ansible.cfg").write_text("[defaults]\nvault_password_file = nowhere\n")
    run = checkout.run("tools/secrets", "live", check=False)
    assert run.returncode != 0
    assert "nowhere" in run.stderr
    assert os.listdir(checkout.path / "group_vars/live") == ["vars.yml"]


def test_the_password_is_made_once_and_is_nobody_elses(checkout: Checkout) -> None:
    first = checkout.run("tools/vault-password").stdout
    assert len(first) > 40
    assert checkout.run("tools/vault-password").stdout == first
    file = checkout.path / ".secrets/vault-password"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (first, 0o600)
    assert os.listdir(file.parent) == [file.name]


def test_a_password_that_could_open_nothing_is_not_made(
    checkout: Checkout, encrypted: Checkout
) -> None:
    """In a colleague's fresh clone."""
    with_vaults(checkout, encrypted, "live")
    shutil.rmtree(checkout.path / ".secrets")
    run = checkout.run("tools/vault-password", check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(
        "group_vars/live/vault.yml is encrypted already. Put its password into .secrets/vault-pass"
    )
    assert not (checkout.path / ".secrets").exists()
    view = ["ansible-vault", "view", "group_vars/live/vault.yml"]
    assert "is encrypted already" in checkout.run(*view, check=False).stderr


def test_a_single_value_may_be_encrypted_too(checkout: Checkout) -> None:
    vars_ = checkout.path / "group_vars/live/vars.yml"
    vars_.write_text("key: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n")
    run = checkout.run("tools/vault-password", check=False)
    assert run.stderr.startswith("group_vars/live/vars.yml is encrypted already.")
    assert not (checkout.path / ".secrets").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "another\n",
            "group_vars/live/vault.yml, group_vars/staging/vault.yml cannot be opened with the "
            "password in .secrets/vault-password: it was encrypted\nwith another one.",
        ),
        (" \n", ".secrets/vault-password is empty. Put the password of the vaults there."),
    ],
)
def test_a_password_that_opens_nothing(
    checkout: Checkout, encrypted: Checkout, content: str, said: str
) -> None:
    with_vaults(checkout, encrypted, "staging", "live")
    (checkout.path / ".secrets/vault-password").write_text(content)
    run = checkout.run("tools/vault-password", check=False)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(said)


def test_who_has_no_business_with_live_need_not_open_its_vault(
    checkout: Checkout, encrypted: Checkout
) -> None:
    checkout.run("tools/secrets", "staging")  # with another password than the vault of live
    live, file = (checkout.path / name for name in ("group_vars/live/vault.yml", PASSWORD))
    shutil.copy(encrypted.path / "group_vars/live/vault.yml", live)
    assert checkout.run("tools/vault-password").stdout == file.read_text()
    live.write_text("$ANSIBLE_VAULT;1.1;AES256\n6e6f2076\n")  # half of one
    assert checkout.run("tools/vault-password").stdout == file.read_text()
