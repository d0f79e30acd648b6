"""The same as a collection: built, installed into an empty folder, and run from an empty one.

Nothing of this checkout is in reach there: not its ansible.cfg, so no pipelining either, and not
its inventories.
"""

from __future__ import annotations

import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from example import Example
from host import Host, PlaybookRun, ansible_environment, command, recap_of

pytestmark = pytest.mark.extended

#: what is built must not hold: the checkout's own, tools, tests, what others leave in a checkout
FOREIGN = [
    ".git/config",
    ".venv/bin/python",
    ".cache/ssh/id_ed25519",
    ".ansible/tmp/x",
    ".vault-password",
    "collections/ansible_collections/greenroom/django",
    "demo/playbill/manage.py",
    "inventories/production",
    "group_vars/all/vault.yml",
    "tests/unit/__pycache__/x.pyc",
    "plugins/modules/__pycache__/x.pyc",
    "greenroom-django-0.0.1.tar.gz",
    "site.retry",
]
ROOM = ["README.md", "LICENSE", "CHANGELOG.md", "SECURITY.md", "MANIFEST.json", "FILES.json"]
ROOMS = ["docs", "meta", "playbooks", "plugins", "roles"]


@dataclass
class Installed:
    """The collection in a folder of its own, and an empty folder to run it from."""

    archive: Path
    path: Path
    elsewhere: Path

    def run(self, playbook: str, inventory: Path, *arguments: str) -> PlaybookRun:
        """Run a playbook by its name in the collection."""
        environment = ansible_environment(
            {
                "ANSIBLE_COLLECTIONS_PATH": str(self.path),
                "ANSIBLE_CONFIG": str(self.path / "ansible.cfg"),
            }
        )
        run = command(
            "ansible-playbook",
            "-i",
            inventory,
            f"greenroom.django.{playbook}",
            *arguments,
            cwd=self.elsewhere,
            env=environment,
        )
        return PlaybookRun(run.returncode, run.stdout, run.stderr, 0, recap_of(run.stdout))


@pytest.fixture(scope="module")
def installed(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build a copy of the checkout, with rubbish in it, and install the file that comes out."""
    folder = tmp_path_factory.mktemp("collection")
    copy, path, elsewhere = folder / "copy", folder / "installed", folder / "elsewhere"
    listed = command(
        "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=checkout
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (checkout / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, copy / name)
    for name in FOREIGN:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("rubbish")
    for empty in (path, elsewhere):
        empty.mkdir()
    # Somebody's own, which says nothing: in its place could be one of the person who runs this.
    (path / "ansible.cfg").touch()
    environment = ansible_environment({})
    galaxy = ["ansible-galaxy", "collection"]
    command(*galaxy, "build", "--output-path", folder, cwd=copy, env=environment)
    (archive,) = folder.glob("greenroom-django-*.tar.gz")
    # What it depends on comes with the ansible package; nothing is asked of a server.
    command(*galaxy, "install", archive, "-p", path, "--no-deps", cwd=elsewhere, env=environment)
    return Installed(archive, path, elsewhere)


def test_it_holds_what_a_user_needs_and_no_more(installed: Installed) -> None:
    with tarfile.open(installed.archive) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
        assert not [member.name for member in archive.getmembers() if member.issym()]
    assert {name.partition("/")[0] for name in names} == {*ROOM, *ROOMS}
    assert not set(names) & set(FOREIGN)
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]
    assert "playbooks/deploy.yml" in names
    assert "plugins/action/lock.py" in names
    assert 20_000 < installed.archive.stat().st_size < 400_000


def test_its_version_is_that_of_the_change_log(installed: Installed, checkout: Path) -> None:
    version = installed.archive.name.removeprefix("greenroom-django-").removesuffix(".tar.gz")
    assert f"## {version}" in (checkout / "CHANGELOG.md").read_text()


def test_every_module_has_documentation(installed: Installed) -> None:
    """As a user asks for it: by its name in the installed collection."""
    folder = installed.path / "ansible_collections" / "greenroom" / "django" / "plugins" / "modules"
    names = [f"greenroom.django.{path.stem}" for path in folder.glob("[a-z]*.py")]
    environment = ansible_environment({"ANSIBLE_COLLECTIONS_PATH": str(installed.path)})
    shown = command("ansible-doc", *names, cwd=installed.elsewhere, env=environment)
    assert shown.stdout.count("EXAMPLES:") == len(names) > 10


def test_the_life_of_a_site(installed: Installed, host: Host, playbill: Example) -> None:
    """Prepare, deploy, deploy, go back: each by the collection's own playbook."""
    inventory = host._inventories[-1]
    prepared = installed.run("site", inventory)
    assert prepared.recap[host.container]["failed"] == 0
    for version in ("v1", "v2"):
        playbill.set_branch("staging", version)
        run = installed.run("deploy", inventory)
        assert f'name="playbill-version" content="{version}"' in host.get("/").text
        assert "serves localhost." in run.stdout
    again = installed.run("deploy", inventory)
    assert again.recap[host.container]["changed"] == 0
    installed.run("rollback", inventory)
    assert 'name="playbill-version" content="v1"' in host.get("/").text
    status = installed.run("status", inventory)
    assert f"playbill on {host.container}: release 1 serves, healthy" in status.stdout
    assert list(installed.elsewhere.iterdir()) == []
