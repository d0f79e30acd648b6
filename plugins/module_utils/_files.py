# PRIVATE to the collection: writing files so that a crash leaves the old or the new, never half.
#
# This is for paths that nobody can change but who works on them. Root's other files are _tree.py's.
from __future__ import annotations

import json
import os
import shutil
from typing import Any


def write_file(path: str, content: str, mode: int = 0o644, owner: int = 0, group: int = 0) -> None:
    """Replace ``path`` by ``content`` (UTF-8) in one step.

    The new file has its mode (octal) and owner (ids) before it has a byte of the content.
    """
    beside = f"{path}.new"
    if os.path.lexists(beside):
        os.unlink(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchown(file.fileno(), owner, group)
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def read_file(path: str) -> str:
    """The content of ``path`` (UTF-8), with the very line ends that it has."""
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def write_json(path: str, value: Any, mode: int = 0o644, owner: int = 0, group: int = 0) -> None:
    """Replace ``path`` by ``value`` as indented JSON, in one step."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_file(path, text, mode, owner, group)


def remove(path: str) -> None:
    """Remove a file, a link or a whole folder; fine when it is not there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def is_inside(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or below it. Both are taken as they are written."""
    return os.path.commonpath([os.path.abspath(path), os.path.abspath(folder)]) == os.path.abspath(
        folder
    )
