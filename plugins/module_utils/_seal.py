# PRIVATE to the collection: sealing a release that was built, and knowing it again.
#
# What was built belongs to root from then on, and neither the app nor a later build can change it.
# The checksums are for who goes back to it: that it is what was proved then. The one takes no time,
# and is all that is compared, unless it differs.
from __future__ import annotations

import hashlib
import json
import os
import pwd
import stat
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import read_manifest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

# In a virtualenv, the checksums that it had when it was sealed.
CHECKSUMS = ".checksums"

# What Greenroom itself writes there, later too.
_MARKS = (CHECKSUMS, ".complete")
_OWN = (".greenroom",)


def seal_release(app: App, number: int) -> list[str]:
    """Make the tree of a release root's, for the app to read; the paths of what was removed.

    Raises GreenroomError where something in it belongs to somebody else, and where the build put
    something in the place of what is Greenroom's own.
    """
    with Folder.open(app.releases, str(number)) as tree:
        gone = tree.chown_tree(
            0,
            pwd.getpwnam(app.user).pw_gid,
            [pwd.getpwnam(app.builder).pw_uid],
            folders=0o750,
            files=0o750,
            but=(".greenroom", ".venv"),
        )
        os.fchmod(tree.descriptor, 0o751)  # the web server passes to what is public
        if not tree.is_ours(".venv") or not _virtualenv_of(tree):
            raise GreenroomError(f"{tree.path}/.venv was replaced by something else than was made.")
    return gone


def seal_virtualenv(app: App, name: str) -> None:
    """Make a virtualenv root's. Others than the app use it too, such as a build."""
    with Folder.open(app.venvs, name) as virtualenv:
        virtualenv.chown_tree(0, 0, [pwd.getpwnam(app.builder).pw_uid])
        virtualenv.remove(".lock")  # of uv's
        virtualenv.write_json(CHECKSUMS, checksums(virtualenv, but=_MARKS))


def checksums_of_release(app: App, number: int) -> dict[str, Any]:
    """What a release is known by again, for its manifest. A virtualenv has that with it."""
    with Folder.open(app.releases, str(number)) as tree, app.open_backstage(number) as backstage:
        name = _virtualenv_of(tree)
        with backstage.inner("public") as public:
            found = {"tree": checksums(tree, but=_OWN), "public": checksums(public)}
    with Folder.open(app.venvs, name) as virtualenv:
        return {**found, "virtualenv": json.loads(virtualenv.read(CHECKSUMS)), "name": name}


def refuse_changed(app: App, number: int) -> None:
    """Refuse a release that is not what it was when it was sealed. Raises GreenroomError."""
    manifest = read_manifest(app, number)
    again = f"Deploy its revision again: deploy.yml -e rev={manifest['revision'][:12]}"
    if "sealed" not in manifest:
        raise GreenroomError(
            f"Release {number} was never sealed, so nobody knows whether it is what it was. {again}"
        )
    sealed = manifest["sealed"]
    parts: tuple[tuple[str, str, str, Sequence[str]], ...] = (
        ("tree", app.releases, str(number), _OWN),
        ("public", app.releases, f"{number}/.greenroom/public", ()),
        ("virtualenv", app.venvs, sealed["name"], _MARKS),
    )
    for part, top, inner, but in parts:
        try:
            with Folder.open(top, inner) as folder:
                if any(kind(folder, but)[0] == sealed[part][kind.__name__] for kind in _KINDS):
                    continue
                newest = state(folder, but)[1] or "a folder"
        except FileNotFoundError:
            newest = "all of it, which is gone"
        raise GreenroomError(
            f"Release {number} is not what it was when it was built: something in "
            f"{os.path.join(top, inner)} was changed since; the newest there is {newest}. Look at "
            f"who did that. {again}"
        )


def checksums(folder: Folder, but: Sequence[str] = ()) -> dict[str, str]:
    """Both checksums of what is in a folder, by their names."""
    return {kind.__name__: kind(folder, but)[0] for kind in _KINDS}


def state(folder: Folder, but: Sequence[str] = ()) -> tuple[str, str]:
    """A checksum that takes milliseconds, and the path of the file that was changed last.

    Contents are not read: the kernel sets a file's change time at every write, rename and change of
    rights, and nobody sets it back who does not set back the clock. So a file with the same change
    time, size, owner and mode has the same content. What came from a backup has other times, though
    it may well be the same: that is for the other checksum.
    """
    newest = (0, "")

    def facts(path: str, _name: str, _folder: Folder, about: os.stat_result) -> str:
        nonlocal newest
        newest = max(newest, (about.st_ctime_ns, path))
        return f"{about.st_gid} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}"

    return _digest(folder, but, facts), newest[1]


def content(folder: Folder, but: Sequence[str] = ()) -> tuple[str, str]:
    """A checksum of what is in the files, whatever their times say. It is root's, all the same."""

    def facts(_path: str, name: str, folder: Folder, about: os.stat_result) -> str:
        if stat.S_ISLNK(about.st_mode):
            return folder.readlink(name)
        return _hash(folder, name)

    return _digest(folder, but, facts), ""


_KINDS = (state, content)


def _digest(
    folder: Folder,
    but: Sequence[str],
    facts: Callable[[str, str, Folder, os.stat_result], str],
) -> str:
    """A checksum of paths, modes, owners and further facts. Folders count by what is in them."""
    digest = hashlib.sha256()

    def add(folder: Folder, prefix: str) -> None:
        lines, inner = [], []
        for name in folder.names():
            path, about = prefix + name, os.lstat(name, dir_fd=folder.descriptor)
            if path in but:
                continue
            line = f"{path}\0{about.st_mode} {about.st_uid}"
            if stat.S_ISDIR(about.st_mode):
                inner.append(name)
            else:
                line += f" {facts(path, name, folder, about)}\0"
            lines.append(line)
        digest.update("\n".join([*lines, ""]).encode("utf-8", "surrogateescape"))
        for name in inner:
            with folder.inner(name) as below:
                add(below, f"{prefix}{name}/")

    add(folder, "")
    return digest.hexdigest()


def _hash(folder: Folder, name: str) -> str:
    """The SHA-256 of a file in a folder that is sealed."""
    digest = hashlib.sha256()
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder.descriptor)
    with os.fdopen(descriptor, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _virtualenv_of(tree: Folder) -> str:
    """The name of the virtualenv that a release has; empty where that is none of the app's."""
    parent, name = os.path.split(tree.readlink(".venv"))
    return name if parent == "../../venvs" and name not in ("", ".", "..") else ""
