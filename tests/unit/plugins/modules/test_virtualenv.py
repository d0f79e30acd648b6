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


@pytest.mark.parametrize(
    ("there", "named", "found"),
    [
        (["uv.lock", "poetry.lock", "requirements.txt", "pyproject.toml"], "", "uv.lock"),
        (["poetry.lock", "Pipfile.lock", "pyproject.toml"], "", "poetry.lock"),
        (["Pipfile.lock", "requirements.txt"], "", "Pipfile.lock"),
        (["requirements.txt", "pyproject.toml"], "", "requirements.txt"),
        (["pyproject.toml", "setup.py"], "", "pyproject.toml"),
        (["setup.py"], "", ""),
        (["requirements.txt", "deep/live.txt"], "deep/live.txt", "deep/live.txt"),
    ],
)
def test_the_file_that_names_what_is_needed(
    tmp_path: Path, there: list[str], named: str, found: str
) -> None:
    tree = write(tmp_path, dict.fromkeys(there, ""))
    assert virtualenv.find_requirements(tree, named) == found


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError) as refused:
        virtualenv.find_requirements(str(tmp_path), "live.txt")
    assert (
        str(refused.value) == "app_requirements is 'live.txt', which is not a file in the release."
    )


@pytest.mark.parametrize(
    ("files", "source", "names"),
    [
        ({}, "", []),
        ({"requirements.txt": "django\n"}, "requirements.txt", ["requirements.txt"]),
        (
            {
                "requirements/live.txt": "-r base.txt\n--requirement=../more.txt # why\n-cpins.txt",
                "requirements/base.txt": "  -r   deep/er.in\n-r live.txt\n",
                "requirements/deep/er.in": "--constraint ../pins.txt",
                "requirements/pins.txt": "",
                "more.txt": "-r https://example.com/x.txt\n-r gone.txt\n-r ../../secret.txt",
                "other.txt": "",
            },
            "requirements/live.txt",
            ["more.txt"]
            + [
                f"requirements/{name}"
                for name in ("base.txt", "deep/er.in", "live.txt", "pins.txt")
            ],
        ),
        (
            {"uv.lock": "-r x.txt", "pyproject.toml": "", "x.txt": "", "Pipfile": ""},
            "uv.lock",
            ["Pipfile", "pyproject.toml", "uv.lock"],
        ),
        (
            {"back/poetry.lock": "", "back/pyproject.toml": "", "pyproject.toml": ""},
            "back/poetry.lock",
            ["back/poetry.lock", "back/pyproject.toml"],
        ),
    ],
)
def test_every_file_that_decides(
    tmp_path: Path, files: dict[str, str], source: str, names: list[str]
) -> None:
    (tmp_path / "secret.txt").write_text("")
    tree = write(tmp_path / "a/tree", files)
    assert virtualenv.ingredients(tree, source) == {name: files[name] for name in names}


@pytest.mark.parametrize(
    ("name", "text", "needs"),
    [
        *(
            ("requirements.txt", text, False)
            for text in (
                "",
                "django==5.2\n# ./vendor\n",
                "-r requirements/base.txt\n-c ./pins.txt\n--requirement=./x.txt\n",
                "git+https://example.com/a/b.git@v1#egg=b\n",
                "-e git+https://example.com/a/b.git#egg=b\n",
                "https://example.com/a-1.0.whl\n",
                "a @ https://example.com/a-1.0.whl\n",
                "--hash=sha256:ab/cd\n    --hash=sha256:ef\n",
                "--index-url https://example.com/simple/\n--find-links wheels/\n",
                "a[b/c]\n",
            )
        ),
        *(
            ("requirements.txt", text, True)
            for text in (
                "-e .\n",
                "--editable=./vendor/a\n",
                ".\n",
                ".[postgres]\n",
                "..\n",
                "django\n./vendor/a\n",
                "../a\n",
                "vendor/a\n",
                "vendor/a-1.0.whl\n",
                "file:vendor/a\n",
            )
        ),
        ("uv.lock", 'source = { editable = "." }\n', False),
        ("uv.lock", 'source = { registry = "https://pypi.org/simple" }\n', False),
        ("uv.lock", 'source = { editable = "vendor/a" }\n', True),
        ("uv.lock", 'source = { directory = "../a" }\n', True),
        ("uv.lock", 'source = { path = "https://example.com/a.whl" }\n', False),
        ("poetry.lock", '[package.source]\ntype = "directory"\nurl = "vendor/a"\n', True),
        ("poetry.lock", '[package.source]\ntype = "git"\n', False),
        ("Pipfile.lock", '{"default": {"a": {"path": "./vendor/a"}}}', True),
        ("Pipfile.lock", '{"default": {"a": {"file": "https://example.com/a.whl"}}}', False),
        ("pyproject.toml", '[project]\ndependencies = ["django"]\n', False),
        ("pyproject.toml", '[project]\ndynamic = ["version"]\ndependencies = []\n', False),
        ("pyproject.toml", '[project]\ndynamic = ["version",\n  "dependencies"]\n', True),
    ],
)
def test_whether_code_of_the_tree_gets_installed(name: str, text: str, needs: bool) -> None:
    assert virtualenv.needs_tree({name: text}, install_project=False) is needs
    assert virtualenv.needs_tree({name: text}, install_project=True) is True


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
    assert sorted(os.listdir(done["path"])) == [".complete", "half"]


def test_a_dry_run_builds_nothing(app: App, build: Any) -> None:
    found = build(1, DJANGO, check=True)
    assert (found["changed"], found["built"]) == (True, True)
    assert (os.listdir(app.venvs), Builds.built) == ([], [])
    assert virtualenv.virtualenv({"app": "blog", "release": 9, "requirements": ""}, True) == {
        "changed": False,
        "built": False,
    }
