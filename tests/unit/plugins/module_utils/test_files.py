from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._files import (
    is_inside,
    read_file,
    remove,
    write_file,
    write_json,
)


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("old")
    with open(path, encoding="utf-8") as reader:
        write_file(str(path), "ä\r\nnew\n", 0o640)
        assert reader.read() == "old"  # who had it open still sees all of the old one
    assert path.read_bytes() == "ä\r\nnew\n".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["env"]


def test_what_a_crash_left_is_no_obstacle_and_no_trap(tmp_path: Path) -> None:
    """A link beside the file, to something else of root's, is replaced and not followed."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "env.new").symlink_to(victim)
    write_file(str(tmp_path / "env"), "new")
    assert (tmp_path / "env").read_text() == "new"
    assert not (tmp_path / "env").is_symlink()
    assert victim.read_text() == "mine"


def test_json_is_for_people_too(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(str(path), {"b": "ü", "a": [1]}, 0o600)
    assert path.read_text() == '{\n  "b": "ü",\n  "a": [\n    1\n  ]\n}\n'
    assert json.loads(path.read_text()) == {"b": "ü", "a": [1]}
    assert path.stat().st_mode & 0o777 == 0o600


def test_reading_keeps_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a\r\nb\rc\n")
    assert read_file(str(path)) == "a\r\nb\rc\n"


def test_removing(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    for name in ("folder/deep", "file", "link"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / "folder/deep").mkdir()
    (tmp_path / "folder/out").symlink_to(kept)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "file", "link", "dangling", "not there"):
        remove(str(tmp_path / name))
    assert sorted(tmp_path.rglob("*")) == [kept, kept / "file"]


@pytest.mark.parametrize(
    ("path", "folder", "inside"),
    [
        ("/srv/a", "/srv/a", True),
        ("/srv/a/b", "/srv/a", True),
        ("/srv/ab", "/srv/a", False),
        ("/srv", "/srv/a", False),
        ("/srv/a/../b", "/srv/a", False),
        ("/srv/a/./b/", "/srv/a/", True),
        ("/anything", "/", True),
    ],
)
def test_is_inside(path: str, folder: str, inside: bool) -> None:
    assert is_inside(path, folder) is inside
