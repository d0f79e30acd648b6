# PRIVATE to the collection: the local settings of a release, a Python file among its code that
# version control does not have. The app reads it, and nobody else does: it is full of secrets.
from __future__ import annotations

import ast
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    read_manifest,
    variables_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder


def write_local_settings(
    app: App, number: int, path: str, content: str, owner: str = "root"
) -> None:
    """Put the file into the tree of a release. Raises GreenroomError where a link is on the way."""
    reader = pwd.getpwnam(app.user).pw_gid
    with Folder.open(app.releases, str(number)) as tree:
        try:
            tree.write(path, content, 0o640, pwd.getpwnam(owner).pw_uid, reader)
        except (GreenroomError, FileNotFoundError) as error:
            raise GreenroomError(
                f"app_local_settings is {path!r}, which should be in the release. {error}"
            ) from error


def read_local_settings(app: App, number: int, path: str) -> str:
    """What the file has; nothing where there is none. Raises GreenroomError where it is no file."""
    if not path:
        return ""
    try:
        with Folder.open(app.releases, str(number)) as tree:
            return tree.read(path)
    except FileNotFoundError:
        return ""


@contextmanager
def lent_to_builder(app: App, number: int, path: str) -> Iterator[None]:
    """Let the build user read the file for a while: commands may start Django.

    It gets one of its own, and another one takes its place: whatever is done to it does not last.
    """
    if not path:
        yield
        return
    content = read_local_settings(app, number, path)
    write_local_settings(app, number, path, content, app.builder)
    try:
        yield
    finally:
        write_local_settings(app, number, path, content)


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
