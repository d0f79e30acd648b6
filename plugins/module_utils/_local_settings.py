# PRIVATE to the collection: the local settings of a release, a Python file among its code that
# version control does not have. The app reads it, and nobody else does: it is full of secrets.
from __future__ import annotations

import ast
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    read_manifest,
    variables_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import (
    is_inside,
    read_file,
    write_file,
)


def write_local_settings(app: App, number: int, path: str, content: str) -> None:
    """Put the file into the tree of a release. Raises GreenroomError where it leads out of it."""
    tree = app.release(number)
    file = os.path.join(tree, path)
    # This runs as root, while the repository decides what is a link in here.
    if not is_inside(os.path.realpath(os.path.dirname(file)), os.path.realpath(tree)):
        raise GreenroomError(f"app_local_settings is {path!r}, which leads out of the release.")
    write_file(file, content, 0o640, 0, pwd.getpwnam(app.user).pw_gid)


def read_local_settings(app: App, number: int, path: str) -> str:
    """What the file has; nothing where there is none."""
    try:
        return read_file(os.path.join(app.release(number), path)) if path else ""
    except FileNotFoundError:
        return ""


@contextmanager
def lent_to_builder(app: App, number: int, path: str) -> Iterator[None]:
    """Let the build user read the file for a while: commands may start Django."""
    file = os.path.join(app.release(number), path)
    if not path:
        yield
        return
    os.chown(file, pwd.getpwnam(app.builder).pw_uid, -1, follow_symlinks=False)
    try:
        yield
    finally:
        os.chown(file, 0, -1, follow_symlinks=False)


def named_strings(text: str) -> dict[str, str]:
    """The strings in Python code that have a name there: ``NAME = "…"`` and ``{"NAME": "…"}``.

    A number follows each name, since there can be several of one.
    """
    found: dict[str, str] = {}
    with suppress(SyntaxError):
        for node in ast.walk(ast.parse(text)):
            pairs: list[tuple[object, ast.expr]] = []
            if isinstance(node, ast.Assign):
                pairs = [(getattr(target, "id", ""), node.value) for target in node.targets]
            elif isinstance(node, ast.Dict):
                pairs = [(getattr(k, "value", ""), v) for k, v in zip(node.keys, node.values)]
            for name, value in pairs:
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    found[f"{name} {len(found)}"] = value.value
    return found


def named_values(app: App, number: int) -> dict[str, str]:
    """What release ``number`` was told, by name: what it says may quote the secrets in there."""
    local = ""
    with suppress(GreenroomError):  # it may not have got so far as to have a manifest
        path = read_manifest(app, number).get("local_settings", "")
        local = read_local_settings(app, number, path)
    return {**named_strings(local), **variables_of(app, number)}
