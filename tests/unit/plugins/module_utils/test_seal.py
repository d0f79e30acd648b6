from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._seal import (
    checksums,
    checksums_of_release,
    content,
    refuse_changed,
    seal_release,
    state,
)
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

from tests.unit.conftest import give_virtualenv


@pytest.fixture
def tree(app: App) -> Path:
    """Release 7, sealed, with its manifest."""
    tree = Path(app.release(7))
    for name in ("manage.py", "shop/settings.py", ".greenroom/public/static/a.css"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    give_virtualenv(app, 7)
    assert seal_release(app, 7) == []
    manifest = {"revision": "a" * 40, "sealed": checksums_of_release(app, 7)}
    (tree / ".greenroom/release.json").write_text(json.dumps(manifest))
    return tree


def test_a_release_that_is_as_it_was(app: App, tree: Path) -> None:
    refuse_changed(app, 7)
    # What Greenroom itself does to it is no change.
    (tree / ".greenroom/before").symlink_to("../6")
    refuse_changed(app, 7)
    assert tree.stat().st_mode & 0o7777 == 0o751
    assert (tree / "shop").stat().st_mode & 0o7777 == 0o750


def test_one_that_came_from_a_backup(app: App, tree: Path) -> None:
    """All times are others, and what is in it is the same."""
    for path in (*tree.rglob("*"), *Path(app.venvs).rglob("*")):
        os.utime(path, (1, 1), follow_symlinks=False)
    refuse_changed(app, 7)


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("shop/settings.py", "releases/7"),
        (".greenroom/public/static/a.css", "releases/7/.greenroom/public"),
    ],
)
@pytest.mark.parametrize("how", ["content", "mode", "owner", "gone", "more", "link"])
def test_one_that_was_changed(app: App, tree: Path, path: str, where: str, how: str) -> None:
    file = tree / path
    about = file.stat()
    if how == "content":  # of the same size, at the same time
        file.write_text(file.read_text().upper())
        os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns))
    elif how == "mode":
        file.chmod(0o777)
    elif how == "owner":
        os.chown(file, 4711, -1)
    elif how == "more":
        (file.parent / "more.py").write_text("")
    else:
        file.unlink()
        if how == "link":
            file.symlink_to("elsewhere")
    if how == "owner" and os.geteuid() != 0:
        return  # nobody was changed: see conftest.py
    with pytest.raises(GreenroomError) as refused:
        refuse_changed(app, 7)
    assert f"{where} was changed since" in str(refused.value)
    assert str(refused.value).startswith("Release 7 is not what it was when it was built")
    assert "Deploy its revision again: deploy.yml -e rev=aaaaaaaaaaaa" in str(refused.value)


def test_a_virtualenv_that_was_changed_or_is_gone(app: App, tree: Path) -> None:
    Path(app.venvs, "same/package.py").write_text("")
    with pytest.raises(GreenroomError, match=r"venvs/same was changed since; the newest there is"):
        refuse_changed(app, 7)
    os.rename(os.path.join(app.venvs, "same"), os.path.join(app.venvs, "other"))
    with pytest.raises(GreenroomError, match=r"the newest there is all of it, which is gone"):
        refuse_changed(app, 7)
    assert (tree / "manage.py").exists()


def test_one_that_was_never_sealed(app: App, tree: Path) -> None:
    (tree / ".greenroom/release.json").write_text(json.dumps({"revision": "b" * 40}))
    with pytest.raises(GreenroomError, match=r"^Release 7 was never sealed"):
        refuse_changed(app, 7)


@pytest.mark.parametrize("target", ["/srv/x", "../../venvs/..", "../../build/venv", "../../venvs/"])
def test_a_virtualenv_that_is_none_of_ours(app: App, tree: Path, target: str) -> None:
    (tree / ".venv").unlink()
    (tree / ".venv").symlink_to(target)
    with pytest.raises(GreenroomError, match=r"/\.venv was replaced"):
        seal_release(app, 7)


def test_the_order_of_files_is_no_matter(tmp_path: Path) -> None:
    """It is that of their names, and not the one in which the disk has them."""
    for name in ("b", "a", "c/d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with Folder.open(str(tmp_path)) as folder:
        first = checksums(folder)
        (tmp_path / "e").write_text("")
        again = checksums(folder)
        assert [again[kind] != first[kind] for kind in ("state", "content")] == [True, True]
        (tmp_path / "e").unlink()
        assert checksums(folder) == first
        (tmp_path / "c/d").chmod(0o640)
        assert state(folder)[1] == "c/d"
        assert content(folder)[0] != first["content"]
