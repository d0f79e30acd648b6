# PRIVATE to the collection: the registry of source controls. Adding one is a file here and a line
# below: see docs/adding-a-backend.md.
from __future__ import annotations

import os

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import (
    Sandbox,
    confine_build,
    source_sandbox,
)
from ansible_collections.greenroom.django.plugins.module_utils._source_control.base import Source
from ansible_collections.greenroom.django.plugins.module_utils._source_control.git import Git
from ansible_collections.greenroom.django.plugins.module_utils._source_control.hg import Mercurial

__all__ = ["SOURCES", "Source", "access_for_build", "build_sandbox", "source_of"]

SOURCES: dict[str, type[Source]] = {
    "git": Git,
    "hg": Mercurial,
}


def source_of(app: App, source_control: str) -> Source:
    """The fetched repository of ``app``.

    Raises GreenroomError where there is no source control of that name.
    """
    kind = _registry.get(SOURCES, "source_control", source_control)
    return kind(os.path.join(app.build, kind.folder), source_sandbox(app))


def access_for_build(app: App) -> dict[str, str]:
    """The variables that lead a build to repositories the way that a fetch goes.

    Requirements may name some, of any kind.
    """
    variables: dict[str, str] = {}
    for kind in SOURCES.values():
        variables.update(kind.access_variables(app.access))
    return variables


def build_sandbox(app: App, *made: str) -> Sandbox:
    """The sandbox of a build, which writes to its home, and to what is ``made``.

    What was fetched is not its own: the next release comes out of that too.
    """
    fetched = [os.path.join(app.build, kind.folder) for kind in SOURCES.values()]
    return confine_build(app, fetched, made)
