from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.modules import virtualenv

from tests.unit.conftest import defaults_of


def write(tree: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tree)


class Builds:
    """Stands in for the builder: makes a file, or fails halfway."""

    built: list[str] = []
    fails = False

    def __init__(self, _app: App, _tree: str, venv: str, _params: dict[str, Any]) -> None:
        self.venv = venv

    def build(self, source: str) -> None:
        Builds.built.append(source)
        Path(self.venv, "half").touch()
        if Builds.fails:
            raise GreenroomError("no index")


@pytest.fixture
def build(app: App, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Builds for a release with these files; the module's result."""
    monkeypatch.setattr(virtualenv, "App", lambda _: app)
    monkeypatch.setattr(virtualenv, "Builder", Builds)
    Builds.built, Builds.fails = [], False

    def run(number: int, files: dict[str, str], check: bool = False, **params: Any) -> Any:
        write(Path(app.release(number)), files)
        given = {"app": "blog", "release": number, "python": sys.executable, **params}
        return virtualenv.virtualenv({**defaults_of(virtualenv), **given}, check)

    return run


DJANGO = {"requirements.txt": "-r base.txt\n", "base.txt": "django\n", "a.py": ""}


def test_releases_that_need_the_same_share_one(app: App, build: Any) -> None:
    first = build(1, DJANGO)
    assert (first["changed"], first["built"], first["source"]) == (True, True, "requirements.txt")
    assert os.path.realpath(os.path.join(app.release(1), ".venv")) == first["path"]
    assert build(1, {}) == {**first, "changed": False, "built": False}
    second = build(2, {**DJANGO, "a.py": "changed"})
    assert second == {**first, "built": False}
    assert Builds.built == ["requirements.txt"]
    assert os.listdir(app.venvs) == [os.path.basename(first["path"])]


@pytest.mark.parametrize(
    ("files", "params"),
    [
        ({"base.txt": "django<5\n"}, {}),
        ({}, {"gunicorn": "gunicorn==20"}),
        ({}, {"installer": "pip"}),
        ({}, {"install_project": True}),
        ({"base.txt": "django\n-e ."}, {}),
    ],
)
def test_what_differs_gets_one_of_its_own(
    build: Any, files: dict[str, str], params: dict[str, Any]
) -> None:
    assert build(1, DJANGO)["path"] != build(2, DJANGO | files, **params)["path"]


def test_installed_code_is_not_shared(build: Any) -> None:
    paths = {build(number, DJANGO, install_project=True)["path"] for number in (1, 2)}
    assert len(paths) == 2


def test_a_build_that_fails_or_dies_leaves_nothing_to_trip_over(app: App, build: Any) -> None:
    Builds.fails = True
    with pytest.raises(GreenroomError, match="no index"):
        build(1, DJANGO)
    assert os.listdir(app.venvs) == []
    Builds.fails = False
    done = build(1, DJANGO)
    os.unlink(os.path.join(done["path"], ".complete"))  # as when the power failed
    Path(done["path"], "left").touch()
    assert build(1, DJANGO)["built"] is True
    assert sorted(os.listdir(done["path"])) == [".checksums", ".complete", "half"]


def test_a_dry_run_builds_nothing(app: App, build: Any) -> None:
    found = build(1, DJANGO, check=True)
    assert (found["changed"], found["built"]) == (True, True)
    assert (os.listdir(app.venvs), Builds.built) == ([], [])
    assert virtualenv.virtualenv({"app": "blog", "release": 9, "requirements": ""}, True) == {
        "changed": False,
        "built": False,
    }
