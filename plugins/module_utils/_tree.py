# PRIVATE to the collection: all that root does with files where somebody else can write.
#
# Below such a folder a name means what its owner made of it a moment ago: a link to /etc, a FIFO
# that nobody writes to, another folder than the one that was looked at. So root resolves no name
# there. There are two ways to work in it:
#
# - Folder, here, reaches what is in it from an open descriptor, one name after the other, and
#   follows no link. What it reads is a regular file, and bounded.
# - as_user(), in _as_user.py, runs a function in a child that has become the owner for good. Where
#   it is led astray, it could have gone there anyway.
from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

LIMIT = 2**23  # bytes of a file or an answer that are read at most
DEEPEST = 100  # folders in each other that are sealed

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")


class Folder:
    """An open folder. A path that its methods take is relative to it, and none of it is followed.

    ``path`` is for messages. Raises GreenroomError where a link, or anything but what is looked
    for, is in the way, and FileNotFoundError where nothing is.
    """

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor = descriptor
        self.path = path

    @classmethod
    def open(cls, top: str, inner: str = "") -> Folder:
        """The folder ``inner`` below ``top``, a path that only root can change."""
        with cls(os.open(top, _FOLDER & ~os.O_NOFOLLOW), top) as folder:
            return folder.inner(inner)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def inner(self, path: str, make: bool = False) -> Folder:
        """A folder in this one. Where ``make`` says so, what is missing of it is made."""
        names = [name for name in path.split("/") if name not in ("", ".")]
        if os.path.isabs(path) or ".." in names:
            raise GreenroomError(f"{path} leads out of {self.path}.")
        current = Folder(os.dup(self.descriptor), self.path)
        for name in names:
            with current:
                if make and not current.exists(name):
                    current.mkdir(name, owner=-1, group=-1)
                inside = os.path.join(current.path, name)
                with _nothing_in_the_way(inside):
                    descriptor = os.open(name, _FOLDER, dir_fd=current.descriptor)
            current = Folder(descriptor, inside)
        return current

    def look(self, path: str) -> os.stat_result | None:
        """What is there, of a link the link itself; None where nothing is."""
        with suppress(FileNotFoundError), self._parent(path) as (parent, name):
            return os.stat(name, dir_fd=parent.descriptor, follow_symlinks=False)
        return None

    def exists(self, path: str) -> bool:
        """Whether anything is there, be it a link that leads nowhere."""
        return self.look(path) is not None

    def is_ours(self, path: str = "") -> bool:
        """Whether it was made by root, and by nobody who builds or runs here."""
        about = self.look(path) if path else os.fstat(self.descriptor)
        return about is not None and about.st_uid == os.geteuid()

    def names(self) -> list[str]:
        """What is in it, in order."""
        return sorted(os.listdir(self.descriptor))

    def read(self, path: str, limit: int = LIMIT) -> str:
        """The text of a regular file (UTF-8), with the very line ends that it has."""
        with self._parent(path) as (parent, name):
            with _nothing_in_the_way(os.path.join(parent.path, name)):
                descriptor = os.open(name, _FILE, dir_fd=parent.descriptor)
            return _read(descriptor, os.path.join(parent.path, name), limit)

    def readlink(self, path: str) -> str:
        """Where a link leads; empty where there is none."""
        with suppress(OSError), self._parent(path) as (parent, name):
            return os.readlink(name, dir_fd=parent.descriptor)
        return ""

    def write(
        self, path: str, content: str, mode: int = 0o644, owner: int = 0, group: int = 0
    ) -> None:
        """Replace a file by ``content`` (UTF-8) in one step. What the folder grants is not its."""
        with self._parent(path) as (parent, name):
            beside = f"{name}.new"
            parent.remove(beside)
            descriptor = os.open(beside, _NEW, 0o600, dir_fd=parent.descriptor)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                _settle(descriptor, owner, group, mode)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            parent.rename(beside, name)

    def write_json(self, path: str, value: Any) -> None:
        """Replace a file by ``value`` as indented JSON, in one step."""
        self.write(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def mkdir(self, path: str, mode: int = 0o755, owner: int = 0, group: int = 0) -> None:
        """Make a folder that was not there."""
        with self._parent(path) as (parent, name):
            os.mkdir(name, 0o700, dir_fd=parent.descriptor)
            with parent.inner(name) as folder:
                if not folder.is_ours():  # it was exchanged for another one since
                    raise GreenroomError(f"{folder.path} was replaced, and is not used.")
                _settle(folder.descriptor, owner, group, mode)

    def symlink(self, path: str, target: str) -> None:
        """Make a link, atomically where there was one before."""
        with self._parent(path) as (parent, name):
            beside = f"{name}.new"
            parent.remove(beside)
            os.symlink(target, beside, dir_fd=parent.descriptor)
            parent.rename(beside, name)

    def rename(self, old: str, new: str) -> None:
        """Call something in this folder by another name."""
        here = self.descriptor
        os.replace(old, new, src_dir_fd=here, dst_dir_fd=here)

    def remove(self, path: str) -> None:
        """Remove a file, a link or a whole folder; fine when it is not there.

        Each folder in it is moved to its top first, so that none is too deep.
        """
        with suppress(FileNotFoundError), self._parent(path) as (parent, name):
            if _unlink(parent, name):
                return
            with parent.inner(name) as top:
                _settle(top.descriptor, os.geteuid(), -1, 0o700)
                waiting = [inner for inner in top.names() if not _unlink(top, inner)]
                while waiting:
                    doomed = waiting.pop()
                    with top.inner(doomed) as folder:
                        _settle(folder.descriptor, os.geteuid(), -1, 0o700)
                        for inner in [n for n in folder.names() if not _unlink(folder, n)]:
                            waiting.append(f".{secrets.token_hex(8)}.gone")
                            here, there = folder.descriptor, top.descriptor
                            os.rename(inner, waiting[-1], src_dir_fd=here, dst_dir_fd=there)
                    os.rmdir(doomed, dir_fd=top.descriptor)
            os.rmdir(name, dir_fd=parent.descriptor)

    def chown_tree(
        self,
        owner: int,
        group: int,
        whose: Sequence[int],
        *,
        folders: int = 0o755,
        files: int = 0o755,
        granted: int = 0,
        but: Sequence[str] = (),
        links: bool = True,
    ) -> list[str]:
        """Give it all to one user, and let nobody else change any of it. To root, that seals it.

        A folder is taken before it is looked into; so its names stay what they were found to be,
        whoever else is at work there. ``folders`` is their mode, ``files`` what is left of those of
        files, and ``granted`` what these have besides. Names in ``but``, at the top, are left out.
        What is no file, folder or link goes; without ``links`` so do these.
        The paths of those are returned. Raises GreenroomError where something is neither of
        ``whose`` nor root's own.
        """
        gone: list[str] = []

        def take(folder: Folder, prefix: str, depth: int) -> None:
            if depth > DEEPEST:
                raise GreenroomError(f"{folder.path} is more than {DEEPEST} folders deep.")
            _settle(folder.descriptor, owner, group, folders)
            for name in folder.names():
                here, path = folder.descriptor, f"{prefix}{name}"
                about = os.stat(name, dir_fd=here, follow_symlinks=False)
                if path in but:
                    continue
                mine = about.st_uid == os.geteuid()
                linked = stat.S_ISREG(about.st_mode) and about.st_nlink > 1
                if about.st_uid not in whose and (not mine or linked):
                    raise GreenroomError(
                        f"{os.path.join(folder.path, name)} belongs to user {about.st_uid}, who "
                        "has nothing to do with it. Look at how it came there, and deploy again."
                    )
                if stat.S_ISDIR(about.st_mode):
                    with folder.inner(name) as inner:
                        take(inner, f"{path}/", depth + 1)
                elif stat.S_ISREG(about.st_mode):
                    folder._take_file(name, owner, group, files, granted)
                elif stat.S_ISLNK(about.st_mode) and links:
                    os.chown(name, owner, group, dir_fd=here, follow_symlinks=False)
                else:
                    os.unlink(name, dir_fd=here)
                    gone.append(path)

        take(self, "", 0)
        return gone

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[Folder, str]]:
        """The open folder that something is in, and its name there."""
        folder, name = os.path.split(path.rstrip("/"))
        if name in ("", ".", ".."):
            raise GreenroomError(f"{path!r} is no name of anything in {self.path}.")
        with self.inner(folder) as parent:
            yield parent, name

    def _take_file(self, name: str, owner: int, group: int, mask: int, granted: int) -> None:
        """Give a regular file to a user. One with a second name elsewhere stays there as it was."""
        with _nothing_in_the_way(os.path.join(self.path, name)):
            descriptor = os.open(name, _FILE, dir_fd=self.descriptor)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            mode = stat.S_IMODE(about.st_mode) & mask | granted
            if about.st_nlink == 1:
                _settle(descriptor, owner, group, mode)
                return
            beside = f".{secrets.token_hex(8)}.new"
            copy = os.open(beside, _NEW, 0o600, dir_fd=self.descriptor)
            with os.fdopen(copy, "wb") as target:
                shutil.copyfileobj(file, target, 2**20)
                target.flush()
                _settle(copy, owner, group, mode)
                # The time is what Python knows a file by that it has compiled.
                os.utime(copy, ns=(about.st_atime_ns, about.st_mtime_ns))
        self.rename(beside, name)


def read_text(path: str, limit: int = LIMIT) -> str:
    """The text of a regular file, for a child of as_user(): links lead where the user may go."""
    return _read(os.open(path, _FILE & ~os.O_NOFOLLOW), path, limit, "replace")


def _read(descriptor: int, path: str, limit: int, errors: str = "strict") -> str:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise GreenroomError(f"{path} should be a file, and is none: it is not read.")
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise GreenroomError(f"{path} has more than {limit} bytes, and is not read.")
    return content.decode("utf-8", errors)


def _settle(descriptor: int, owner: int, group: int, mode: int) -> None:
    """Give what is open an owner and a mode, and no rights beside these."""
    os.fchown(descriptor, owner, group)
    for name in _ACLS:
        with suppress(OSError):  # it mostly has none
            os.removexattr(descriptor, name)
    os.fchmod(descriptor, mode)


def _unlink(folder: Folder, name: str) -> bool:
    """Remove what is no folder; whether it was that."""
    try:
        os.unlink(name, dir_fd=folder.descriptor)
    except IsADirectoryError:
        return False
    return True


@contextmanager
def _nothing_in_the_way(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise GreenroomError(
                f"{path} was replaced by a link, or by something else that is not followed."
            ) from error
        raise
