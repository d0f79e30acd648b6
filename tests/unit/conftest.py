"""What unit tests share: an app whose rooms are in a temporary folder, and no need to be root."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _command
from ansible_collections.greenroom.django.plugins.module_utils._app import App, replace_link
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import Sandbox
from ansible_collections.greenroom.django.plugins.module_utils._seal import seal_virtualenv
from ansible_collections.greenroom.django.plugins.plugin_utils._engine import documentation

DJANGOS = {"4.2": "django~=4.2.0", "5.2": "django~=5.2.0", "newest": "django"}
UV = str(Path(sys.executable).with_name("uv"))
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# For what is Greenroom's own affair, and the same with every Django.
with_the_newest = pytest.mark.parametrize("venv", ["newest"], indirect=True, scope="session")

confine = Sandbox.confine  # as it is on a host

ME = pwd.getpwuid(os.geteuid()).pw_name


def defaults_of(module: ModuleType) -> dict[str, Any]:
    """What a module's parameters are where nothing is said."""
    return _defaults(documentation(module.__name__.rpartition(".")[2])["options"])


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _defaults(option["suboptions"]) if "suboptions" in option else option.get("default")
        for name, option in options.items()
    }


def give_virtualenv(app: App, number: int) -> None:
    """Give a release a virtualenv that is whole, as far as anybody looks."""
    folder = os.path.join(app.venvs, "same")
    os.makedirs(folder, exist_ok=True)
    seal_virtualenv(app, "same")
    with open(os.path.join(folder, ".complete"), "w", encoding="utf-8"):
        pass
    replace_link(os.path.join(app.release(number), ".venv"), "../../venvs/same")


@pytest.fixture(autouse=True)
def _nobody_becomes_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not root keeps its own files, and runs commands as itself."""
    if os.geteuid() == 0:
        return
    popen = subprocess.Popen.__init__

    def as_ourselves(*arguments: Any, **options: Any) -> None:
        for identity in ("user", "group", "extra_groups"):
            options.pop(identity, None)
        popen(*arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", as_ourselves)
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    monkeypatch.setattr(os, "chown", lambda *_, **__: None)


@pytest.fixture(autouse=True)
def _what_is_created_has_the_usual_mode() -> Iterator[None]:
    """A program that was called in this process may have set its own umask."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True, scope="session")
def _nobody_is_confined() -> Iterator[None]:
    """A sandbox takes root, and bubblewrap: it is tried in tests/end_to_end/test_trust_builds.py.

    What goes on in it is the same without.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "confine", lambda *given: list(given[-1]))
        yield


@pytest.fixture(scope="module")
def mercurial() -> Iterator[str]:
    """Mercurial on this machine, which not everybody has; its program, and not what is on PATH.

    There, ``hg`` is chg, which comes with Mercurial and has a server of Mercurial's do what it is
    told: two thirds of a command's time are Python's start, and these tests give six hundred.
    """
    packages = Path(__file__).parents[2] / "tools/packages"
    subprocess.run([packages, "mercurial"], check=True, stdin=subprocess.DEVNULL)
    program = shutil.which("hg", path=_command.PATH)
    assert program
    # A socket's path may be 107 characters long, and pytest's folders are longer.
    with tempfile.TemporaryDirectory(prefix="hg-") as folder, pytest.MonkeyPatch.context() as patch:
        server = {"CHGHG": program, "CHGSOCKNAME": f"{folder}/server"}
        words = " ".join(f"{name}={value}" for name, value in server.items())
        client = Path(folder, "hg")
        client.write_text(f'#!/bin/sh\n{words} exec {shutil.which("chg") or program} "$@"\n')
        client.chmod(0o755)
        patch.setattr(_command, "PATH", f"{folder}:{_command.PATH}")
        patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        yield program
        # Servers with other settings are beside it: each goes when its socket is gone.
        subprocess.run([client, "--kill-chg-daemon"], capture_output=True, check=False)


def prepared_app(root: Path) -> App:
    """The app ``blog`` on a host that was prepared for it; its two users are whoever runs this."""
    app = App("blog", root=str(root))
    app.user = app.builder = ME
    for room in (app.releases, app.venvs, app.shared, app.build, app.etc, app.run):
        os.makedirs(room)
    return app


@pytest.fixture
def app(tmp_path: Path) -> App:
    """The app ``blog`` on a host of its own."""
    return prepared_app(tmp_path)


@pytest.fixture(scope="session", params=DJANGOS)
def venv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtualenv with one Django. It fails, and is not left out, where there is no index.

    It is made once for all workers of ``pytest -n``, and so is Django's bytecode.
    """
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    folder = shared / f"django-{request.param}"
    with (shared / "django.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            make_virtualenv(folder, DJANGOS[request.param])
            (folder / "complete").touch()
    return folder


def make_virtualenv(folder: Path, requirement: str) -> None:
    """Make a virtualenv with one package in it."""
    environment = dict(os.environ)
    if os.path.exists(CERTIFICATES):
        environment["UV_SYSTEM_CERTS"] = "1"  # what the machine trusts, uv trusts
    for command in (
        ["venv", "--clear", "--python", sys.executable, str(folder)],
        ["pip", "install", "--python", str(folder / "bin/python"), requirement],
    ):
        done = subprocess.run(
            [UV, *command, "--quiet"], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
