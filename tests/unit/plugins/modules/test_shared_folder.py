from __future__ import annotations

import grp
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.modules import shared_folder


@pytest.fixture
def shared(app: App, monkeypatch: pytest.MonkeyPatch) -> Path:
    app.web = grp.getgrgid(os.getegid()).gr_name
    monkeypatch.setattr(shared_folder, "App", lambda _: app)
    return Path(app.shared)


def run(path: str, check: bool = False) -> dict[str, Any]:
    return shared_folder.shared_folder({"app": "blog", "path": path}, check)


@pytest.mark.parametrize("path", ["media/", "up/media"])
def test_it_is_made_once(shared: Path, path: str) -> None:
    assert run(path, check=True)["changed"] is True
    assert os.listdir(shared) == []
    assert run(path) == {"changed": True, "path": str(shared / path)}
    assert (shared / path).stat().st_mode & 0o7777 == 0o2750
    assert run(path)["changed"] is False
    (shared / path).chmod(0o700)
    assert run(path)["changed"] is True
    assert (shared / path).stat().st_mode & 0o7777 == 0o2750


def test_no_link_is_followed(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "victim/media").mkdir(parents=True, mode=0o700)
    (shared / "up").symlink_to(tmp_path / "victim")
    (shared / "media").symlink_to(tmp_path / "victim/media")
    with pytest.raises(GreenroomError, match="up was replaced by a link"):
        run("up/media/")
    with pytest.raises(GreenroomError, match="media should be a folder, and is none: remove it"):
        run("media/")
    assert (tmp_path / "victim/media").stat().st_mode & 0o7777 == 0o700


def test_a_dry_run_of_a_host_that_was_not_prepared(shared: Path) -> None:
    shared.rmdir()
    assert run("media/", check=True)["changed"] is True
