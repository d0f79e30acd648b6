"""What unit tests share: an app whose rooms are in a temporary folder, and no need to be root."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App, replace_link

DJANGOS = {"4.2": "django~=4.2.0", "5.2": "django~=5.2.0", "newest": "django"}
UV = str(Path(sys.executable).with_name("uv"))
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# For what is Greenroom's own affair, and the same with every Django.
with_the_newest = pytest.mark.parametrize("venv", ["newest"], indirect=True, scope="session")

ME = pwd.getpwuid(os.geteuid()).pw_name


def defaults_of(module: ModuleType) -> dict[str, Any]:
    """What a module's parameters are where nothing is said."""
    return _defaults(module.OPTIONS)


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _defaults(option["options"]) if "options" in option else option.get("default")
        for name, option in options.items()
    }


def give_virtualenv(app: App, number: int) -> None:
    """Give a release a virtualenv that is whole, as far as anybody looks."""
    folder = os.path.join(app.venvs, "same")
    os.makedirs(folder, exist_ok=True)
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


@pytest.fixture(scope="session")
def mercurial() -> None:
    """Mercurial on this machine, which not everybody has."""
    packages = Path(__file__).parents[2] / "tools/packages"
    subprocess.run([packages, "mercurial"], check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def app(tmp_path: Path) -> App:
    """The app ``blog`` on a host that was prepared for it; its two users are whoever runs this."""
    app = App("blog", root=str(tmp_path))
    app.user = app.builder = ME
    for room in (app.releases, app.venvs, app.shared, app.build, app.etc, app.run):
        os.makedirs(room)
    return app


@pytest.fixture(scope="session", params=DJANGOS)
def venv(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtualenv with one Django. It fails, and is not left out, where there is no index."""
    folder = tmp_path_factory.mktemp("django") / "venv"
    environment = dict(os.environ)
    if os.path.exists(CERTIFICATES):
        environment["UV_SYSTEM_CERTS"] = "1"  # what the machine trusts, uv trusts
    for command in (
        ["venv", "--python", sys.executable, str(folder)],
        ["pip", "install", "--python", str(folder / "bin/python"), DJANGOS[request.param]],
    ):
        done = subprocess.run(
            [UV, *command, "--quiet"], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    return folder
