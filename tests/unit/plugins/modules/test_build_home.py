from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.modules import build_home

FILES = {".gitconfig": "[a]\n", ".ssh/config": "Host *\n"}


@pytest.fixture
def home(app: App, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build_home, "App", lambda _: app)
    return Path(app.build)


def run(check: bool = False, **params: Any) -> dict[str, Any]:
    return build_home.build_home({"app": "blog", "files": {}, "comment": "", **params}, check)


def test_files_are_written_once(home: Path) -> None:
    assert run(check=True, files=FILES) == {"changed": True, "public_key": ""}
    assert os.listdir(home) == []
    assert run(files=FILES)["changed"] is True
    assert {path: (home / path).read_text() for path in FILES} == FILES
    assert {(home / path).stat().st_mode & 0o777 for path in FILES} == {0o600}
    assert run(files=FILES)["changed"] is False
    assert run(check=True, files={".gitconfig": "[b]\n"})["changed"] is True
    assert (home / ".gitconfig").read_text() == "[a]\n"


def test_a_key_is_made_once(home: Path) -> None:
    assert run()["public_key"] == ""
    assert run(check=True, comment="blog@host")["changed"] is True
    made = run(comment="blog@host")
    assert made["public_key"].startswith("ssh-ed25519 ")
    assert made["public_key"].endswith(" blog@host")
    assert (home / ".ssh/deploy_key").stat().st_mode & 0o777 == 0o600
    assert run(comment="blog@host") == {**made, "changed": False} == run(check=True)
    # Half a key is none.
    (home / ".ssh/deploy_key.pub").unlink()
    again = run(comment="blog@host")
    assert again["changed"] is True
    assert again["public_key"] != made["public_key"]


@pytest.mark.parametrize("path", [".gitconfig", ".ssh/config", ".ssh"])
def test_no_link_is_followed(home: Path, tmp_path: Path, path: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "config").write_text("precious")
    (home / path).parent.mkdir(exist_ok=True)
    (home / path).symlink_to(victim if path == ".ssh" else victim / "config")
    with pytest.raises(GreenroomError, match="was replaced by a link"):
        run(files=FILES)
    assert (os.listdir(victim), (victim / "config").read_text()) == (["config"], "precious")


def test_a_dry_run_of_a_host_that_was_not_prepared(app: App, home: Path) -> None:
    home.rmdir()
    assert run(check=True, files=FILES) == {"changed": True, "public_key": ""}
    assert not os.path.exists(app.build)
