from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder, read_text

ME, MINE = os.geteuid(), os.getegid()
THEIRS = 4711
only_root = pytest.mark.skipif(ME != 0, reason="only root can give a file away")


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of root's, which nothing that is done here may change."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("precious")
    before = [(str(path), path.lstat()[:6]) for path in (victim, victim / "file")]
    yield victim
    assert [(str(path), path.lstat()[:6]) for path in (victim, victim / "file")] == before
    assert (victim / "file").read_text() == "precious"
    assert os.listdir(victim) == ["file"]


@pytest.fixture
def tree(tmp_path: Path, victim: Path) -> Iterator[Folder]:
    """A folder in which links lead to the victim."""
    (tmp_path / "tree/inner").mkdir(parents=True)
    (tmp_path / "tree/out").symlink_to(victim)
    (tmp_path / "tree/inner/out").symlink_to(victim / "file")
    os.mkfifo(tmp_path / "tree/fifo")
    with Folder.open(str(tmp_path), "tree") as folder:
        yield folder


@pytest.mark.parametrize(
    "act",
    [
        lambda tree: tree.inner("out"),
        lambda tree: tree.inner("out/deeper", make=True),
        lambda tree: tree.inner("../victim"),
        lambda tree: tree.inner("inner/../../victim"),
        lambda tree: tree.read("out/file"),
        lambda tree: tree.read("inner/out"),
        lambda tree: tree.read("fifo"),
        lambda tree: tree.read("inner"),
        lambda tree: tree.write("out/file", "x"),
        lambda tree: tree.mkdir("out/x"),
        lambda tree: tree.symlink("out/x", "y"),
        lambda tree: tree.remove("out/file"),
        lambda tree: tree.remove(".."),
        lambda tree: tree.look("out/file"),
        lambda tree: tree.inner("/etc"),
    ],
)
def test_no_link_is_followed(tree: Folder, act: Callable[[Folder], object]) -> None:
    with pytest.raises(GreenroomError):
        act(tree)


@pytest.mark.usefixtures("victim")
def test_what_a_link_is_in_the_place_of_is_made_anew(tree: Folder) -> None:
    tree.write("inner/out", "mine", 0o640)
    assert tree.read("inner/out") == "mine"
    tree.symlink("out", "elsewhere")
    assert tree.readlink("out") == "elsewhere"
    tree.remove("inner")
    tree.remove("out")
    assert tree.names() == ["fifo"]


def test_a_file_is_read_as_it_is_and_not_too_much_of_it(tree: Folder, tmp_path: Path) -> None:
    tree.write("inner/a", "a\r\nb\n")
    assert tree.read("inner/a", limit=5) == "a\r\nb\n"
    with pytest.raises(GreenroomError, match=r"inner/a has more than 4 bytes, and is not read\."):
        tree.read("inner/a", limit=4)
    assert read_text(str(tmp_path / "tree/inner/out")) == "precious"
    with pytest.raises(GreenroomError, match="should be a file, and is none"):
        read_text(str(tmp_path / "tree/fifo"))


def test_what_is_not_there_is_not(tree: Folder) -> None:
    for path in ("nothing", "nothing/deeper"):
        assert not tree.exists(path)
        assert tree.readlink(path) == ""
        tree.remove(path)
        with pytest.raises(FileNotFoundError):
            tree.read(path)
    assert tree.exists("out")
    assert not tree.exists("inner/nothing")


def test_folders_are_made_on_the_way(tree: Folder) -> None:
    with tree.inner("a/b", make=True) as folder:
        folder.write("c", "")
    assert tree.read("a/b/c") == ""
    with tree.inner("a//./b/") as folder:
        assert folder.names() == ["c"]
    with pytest.raises(FileExistsError):
        tree.mkdir("a")


def test_what_grants_rights_beside_the_mode_is_not_inherited(tree: Folder, tmp_path: Path) -> None:
    entries = (
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 7, THEIRS),  # may do all with what is made in the folder
        (0x04, 5, 0xFFFFFFFF),
        (0x10, 7, 0xFFFFFFFF),
        (0x20, 0, 0xFFFFFFFF),
    )
    access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    os.setxattr(tmp_path / "tree/inner", "system.posix_acl_default", access)
    (tmp_path / "tree/inner/before").write_text("")
    assert os.listxattr(tmp_path / "tree/inner/before") == ["system.posix_acl_access"]
    tree.write("inner/secret", "", 0o640)
    tree.mkdir("inner/room", 0o750)
    for name in ("secret", "room"):
        assert os.listxattr(tmp_path / "tree/inner" / name) == []
    seal(tree)
    assert [os.listxattr(tmp_path / "tree" / name) for name in ("inner", "inner/before")] == [
        [],
        [],
    ]


@pytest.mark.parametrize("depth", [1, 2500])
def test_removing_however_deep(tree: Folder, tmp_path: Path, depth: int) -> None:
    here = os.getcwd()
    try:
        os.chdir(tmp_path / "tree/inner")
        for _ in range(depth):
            os.mkdir("d")
            os.symlink(tmp_path / "victim", "link")
            os.chdir("d")
    finally:
        os.chdir(here)
    tree.remove("inner")
    assert tree.names() == ["fifo", "out"]


def seal(tree: Folder, **options: object) -> list[str]:
    return sorted(tree.chown_tree(ME, MINE, [ME, THEIRS], **options))  # type: ignore[arg-type]


def test_what_has_no_place_in_a_tree_goes(tree: Folder, tmp_path: Path) -> None:
    (tmp_path / "tree/inner/down").symlink_to("out")
    assert seal(tree) == ["fifo"]
    assert os.readlink(tmp_path / "tree/inner/down") == "out"
    assert seal(tree, links=False) == ["inner/down", "inner/out", "out"]


def test_modes(tree: Folder, tmp_path: Path) -> None:
    for name, mode in (("a", 0o666), ("inner/b", 0o4777), ("c", 0o600)):
        (tmp_path / "tree" / name).write_text("")
        (tmp_path / "tree" / name).chmod(mode)
    (tmp_path / "tree/kept").mkdir(mode=0o700)
    seal(tree, folders=0o750, files=0o750, but=("kept",))
    found = {
        path.name: oct(stat.S_IMODE(path.stat().st_mode))
        for path in (tmp_path / "tree").rglob("*")
        if not path.is_symlink()
    }
    assert found == {
        "a": "0o640",
        "b": "0o750",
        "c": "0o600",
        "inner": "0o750",
        "kept": "0o700",
    }
    seal(tree, files=0o644, granted=0o444)
    assert (tmp_path / "tree/c").stat().st_mode & 0o7777 == 0o644


@only_root
def test_a_file_that_has_another_name_elsewhere_stays_there(tree: Folder, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("cached")
    os.utime(tmp_path / "cache", (1, 1))
    os.chown(tmp_path / "cache", THEIRS, THEIRS)
    os.link(tmp_path / "cache", tmp_path / "tree/inner/linked")
    seal(tree)
    copy, kept = (tmp_path / "tree/inner/linked").stat(), (tmp_path / "cache").stat()
    assert (copy.st_uid, copy.st_nlink, copy.st_mtime) == (ME, 1, 1)
    assert (kept.st_uid, kept.st_nlink) == (THEIRS, 1)
    assert (tmp_path / "tree/inner/linked").read_text() == "cached"
    assert sorted(os.listdir(tmp_path / "tree/inner")) == ["linked", "out"]


@only_root
@pytest.mark.parametrize("which", ["somebody else's", "root's own, twice"])
def test_files_of_others_are_refused(
    tree: Folder, tmp_path: Path, victim: Path, which: str
) -> None:
    if which == "root's own, twice":
        os.link(victim / "file", tmp_path / "tree/inner/linked")
    else:
        (tmp_path / "tree/inner/linked").write_text("")
        os.chown(tmp_path / "tree/inner/linked", 4712, 0)
    with pytest.raises(GreenroomError, match="inner/linked belongs to user"):
        tree.chown_tree(0, 0, [THEIRS])
    os.unlink(tmp_path / "tree/inner/linked")


def test_too_deep_is_refused(tree: Folder, tmp_path: Path) -> None:
    (tmp_path / "tree" / "/".join("d" * 101)).mkdir(parents=True)
    with pytest.raises(GreenroomError, match="more than 100 folders deep"):
        seal(tree)


@only_root
def test_what_was_exchanged_for_it_is_not_used(
    tree: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that root has just made is root's; what is not was put there by somebody else."""
    mkdir = os.mkdir

    def exchanged(name: str, *arguments: int, dir_fd: int) -> None:
        mkdir(name, *arguments, dir_fd=dir_fd)
        os.chown(name, THEIRS, THEIRS, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", exchanged)
    with pytest.raises(GreenroomError, match=r"x was replaced, and is not used\."):
        tree.mkdir("x")
