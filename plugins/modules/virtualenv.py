#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: virtualenv
short_description: Give a release the virtualenv that its requirements ask for
description:
  - Virtualenvs are immutable and kept by the hash of what went in, so releases that need the same
    share one, unchanged requirements cost nothing, and a rollback never asks the package index.
  - Understands uv.lock, poetry.lock, Pipfile.lock (through those tools' own export), requirements
    files with all that they include, and the dependencies in pyproject.toml, looked for in that
    order.
  - gunicorn is added where the app names none.
  - What was built is sealed. It belongs to root from then on, and no later build can change it.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
options:
  release:
    description: The number of the release. Its tree must be there.
    type: int
    required: true
  requirements:
    description: The file that names the requirements, relative to the tree. Empty looks for the
      usual names.
    type: str
    default: ""
  installer:
    description: What installs them.
    type: str
    choices: [uv, pip]
    default: uv
  python:
    description: The Python to use, by name or path.
    type: str
    default: python3
  install_project:
    description: Install the project itself too, as C(pip install .) does.
    type: bool
    default: false
  gunicorn:
    description: The requirement to install where the app's own name no gunicorn.
    type: str
    default: gunicorn
  uv:
    description: The uv to use, by path.
    type: path
    default: /opt/greenroom/bin/uv
  timeout:
    description: How long each command of the installer may take, in seconds.
    type: int
    default: 3600
  memory_max:
    description: The memory that a command of the installer may use, with all that it starts, as in
      C(MemoryMax) of systemd. Without systemd there is no limit.
    type: str
    default: 80%
attributes:
  check_mode:
    support: partial
    description: Where the tree is not there yet, because that was a rehearsal too, it cannot tell
      whether it would change.
  diff_mode:
    support: none
    description: The list of what was installed is too long to be read.
"""

EXAMPLES = r"""
- name: Build what release 43 needs
  greenroom.django.virtualenv:
    app: blog
    release: 43
    requirements: requirements/production.txt
"""

RETURN = r"""
path:
  description: The virtualenv.
  returned: when the release's tree is there
  type: str
source:
  description: What it was made from, such as C(uv.lock), relative to the tree; empty where there is
    nothing to install.
  returned: when the release's tree is there
  type: str
built:
  description: Whether it had to be built. Where not, another release had made it.
  returned: success
  type: bool
"""

import os
import pwd
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._command import (
    CERTIFICATES,
    must_run,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_file
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._requirements import (
    wanted_virtualenv,
)
from ansible_collections.greenroom.django.plugins.module_utils._seal import seal_virtualenv
from ansible_collections.greenroom.django.plugins.module_utils._source_control import (
    access_for_build,
    build_sandbox,
)
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

# What a lock file's own tool is run as, to say in requirements.txt's words what is locked.
EXPORTS = {
    "uv.lock": [
        "export",
        "--frozen",
        "--no-dev",
        "--no-emit-project",
        "--format",
        "requirements-txt",
        "--quiet",
    ],
    "poetry.lock": [
        "tool",
        "run",
        "--quiet",
        "--from",
        "poetry==2.2.1",
        "--with",
        "poetry-plugin-export==1.9.0",
        "poetry",
        "export",
        "--format",
        "requirements.txt",
        "--no-ansi",
    ],
    "Pipfile.lock": [
        "tool",
        "run",
        "--quiet",
        "--from",
        "pipenv==2025.0.4",
        "pipenv",
        "requirements",
        "--hash",
    ],
}


class Builder:
    """Builds one virtualenv as the app's build user."""

    def __init__(self, app: App, tree: str, venv: str, params: dict[str, Any]) -> None:
        self.app, self.tree, self.venv, self.params = app, tree, venv, params
        self.python = os.path.join(venv, "bin", "python")
        self.sandbox = build_sandbox(app, tree, venv).with_memory(params["memory_max"])

    def build(self, source: str) -> None:
        """Make it and install everything. Raises GreenroomError with what the installer said."""
        if self.params["installer"] == "uv":
            self.uv("venv", "--quiet", "--python", self.params["python"], self.venv)
        else:
            self.run(self.params["python"], "-m", "venv", self.venv)
            # Debian's own pip is too old for some of today's packages.
            self.pip("install", "--quiet", "--upgrade", "pip", "setuptools", "wheel")
        if source:
            self.install(*self.chosen(source))
        if self.params["install_project"]:
            folder = os.path.join(self.tree, os.path.dirname(source))
            has_one = any(
                self.has_file(os.path.join(folder, name)) for name in ("pyproject.toml", "setup.py")
            )
            self.install("--no-deps", folder if has_one else self.tree)
        if not self.has_file(os.path.join(self.venv, "bin", "gunicorn")):
            self.install(self.params["gunicorn"])

    def chosen(self, source: str) -> list[str]:
        """What to hand to the installer for ``source``."""
        path = os.path.join(self.tree, source)
        name = os.path.basename(source)
        if name in EXPORTS:
            return self.listed(self.uv(*EXPORTS[name], cwd=os.path.dirname(path)))
        if name == "pyproject.toml" and self.params["installer"] == "pip":
            # pip has no way to install the dependencies alone.
            return self.listed(self.uv("pip", "compile", "--quiet", "--python", self.python, path))
        return ["-r", path]

    def listed(self, requirements: str) -> list[str]:
        """What to hand to the installer for the text of a requirements file."""
        path = os.path.join(self.venv, "requirements.txt")
        as_user(self.app.builder, write_file, path, requirements, 0o644, -1, -1)
        return ["-r", path]

    def install(self, *what: str) -> None:
        """Install into the virtualenv."""
        if self.params["installer"] == "uv":
            arguments = ["--quiet", "--compile-bytecode", "--python", self.python]
            self.uv("pip", "install", *arguments, *what)
        else:
            self.pip("install", "--quiet", *what)

    def uv(self, *arguments: str, cwd: str | None = None) -> str:
        """Run uv; what it printed."""
        return self.run(self.params["uv"], *arguments, cwd=cwd)

    def pip(self, *arguments: str) -> str:
        """Run the virtualenv's own pip; what it printed."""
        return self.run(self.python, "-m", "pip", *arguments)

    def has_file(self, path: str) -> bool:
        """Whether there is a file that the build user can see."""
        return bool(as_user(self.app.builder, os.path.isfile, path))

    def run(self, *argv: str, cwd: str | None = None) -> str:
        """Run a command as the build user, in the tree; what it printed."""
        environment = {
            "SSL_CERT_FILE": CERTIFICATES,
            "PIP_CERT": CERTIFICATES,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            # Its cache stays the build user's, and what was built does not.
            "UV_LINK_MODE": "copy",
            "VIRTUAL_ENV": self.venv,
            **access_for_build(self.app),
        }
        return must_run(
            "Building the virtualenv",
            argv,
            user=self.sandbox,
            cwd=cwd or self.tree,
            environment=environment,
            timeout=self.params["timeout"],
        )


def virtualenv(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Find the virtualenv of a release, or build it; the result of the module.

    Raises GreenroomError.
    """
    app = App(params["app"])
    tree = app.release(params["release"])
    if check_mode and not os.path.isdir(tree):
        return {"changed": False, "built": False}
    wanted = wanted_virtualenv(app, tree, params["requirements"], params)
    venv, source = wanted.path, wanted.source
    built, linked = not wanted.is_complete(), wanted.is_linked()
    if not check_mode:
        if built:
            name, builder = os.path.basename(venv), pwd.getpwnam(app.builder)
            with Folder.open(app.venvs) as venvs:
                venvs.remove(name)  # what a build that died left
                venvs.mkdir(name, 0o755, builder.pw_uid, builder.pw_gid)
                try:
                    Builder(app, tree, venv, params).build(source)
                    seal_virtualenv(app, name)
                except GreenroomError:
                    venvs.remove(name)
                    raise
            wanted.complete()
        if not linked:
            wanted.link()
    return {"changed": built or not linked, "built": built, "path": venv, "source": source}


def main() -> None:
    """What the engine runs."""
    run_module(virtualenv)
