from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._requirements import (
    find_requirements,
    ingredients,
    needs_tree,
    wanted_virtualenv,
)

from tests.unit.conftest import ME


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
    assert find_requirements(tree, named) == found


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError) as refused:
        find_requirements(str(tmp_path), "live.txt")
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
    assert ingredients(tree, source) == {name: files[name] for name in names}


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
    assert needs_tree({name: text}, install_project=False) is needs
    assert needs_tree({name: text}, install_project=True) is True


SETTINGS = {
    "installer": "uv",
    "python": sys.executable,
    "install_project": False,
    "gunicorn": "gunicorn",
}


@pytest.mark.parametrize(
    ("second", "settings", "same"),
    [
        ({"requirements.txt": "django\n"}, {}, True),
        ({"requirements.txt": "django\n", "README": "x"}, {}, True),
        ({"requirements.txt": "django<6\n"}, {}, False),
        ({"requirements.txt": "django\n"}, {"installer": "pip"}, False),
        ({"requirements.txt": "django\n"}, {"gunicorn": "gunicorn==23"}, False),
        ({"requirements.txt": "django\n"}, {"install_project": True}, False),
    ],
)
def test_releases_that_need_the_same_have_the_same(
    tmp_path: Path, second: dict[str, str], settings: dict[str, object], same: bool
) -> None:
    app = App("blog", root=str(tmp_path))
    app.builder = ME
    one = write(tmp_path / "srv/blog/releases/1", {"requirements.txt": "django\n"})
    two = write(tmp_path / "srv/blog/releases/2", second)
    paths = [
        wanted_virtualenv(app, one, "", SETTINGS).path,
        wanted_virtualenv(app, two, "", {**SETTINGS, **settings}).path,
    ]
    assert (paths[0] == paths[1]) is same


def test_a_damaged_virtualenv_is_left_to_those_who_have_it(tmp_path: Path) -> None:
    """One may serve with it. What comes next gets another of the same content."""
    app = App("blog", root=str(tmp_path))
    app.builder = ME
    trees = [
        write(tmp_path / f"srv/blog/releases/{number}", {"requirements.txt": ""})
        for number in (1, 2, 3)
    ]
    first = wanted_virtualenv(app, trees[0], "", SETTINGS)
    package = Path(first.path, "lib/python3.11/site-packages/django")
    package.mkdir(parents=True)
    Path(first.path, "bin").mkdir()
    os.symlink("/usr/bin/python3", Path(first.path, "bin/python"))
    first.complete()
    first.link()
    assert wanted_virtualenv(app, trees[1], "", SETTINGS).path == first.path
    package.rmdir()
    assert wanted_virtualenv(app, trees[0], "", SETTINGS).path == first.path, "nobody else has it"
    second = wanted_virtualenv(app, trees[1], "", SETTINGS)
    assert second.path == f"{first.path}-2"
    os.makedirs(second.path)
    second.complete()
    second.link()
    assert wanted_virtualenv(app, trees[2], "", SETTINGS).path == second.path
    package.mkdir()
    assert wanted_virtualenv(app, trees[2], "", SETTINGS).path == first.path
    python = Path(first.path, "bin/python")
    python.unlink()
    os.symlink("/usr/bin/python3.99", python)
    assert not first.is_complete()


def test_a_virtualenv_counts_when_it_is_whole(tmp_path: Path) -> None:
    app = App("blog", root=str(tmp_path))
    app.builder = ME
    tree = write(tmp_path / "srv/blog/releases/1", {"requirements.txt": ""})
    wanted = wanted_virtualenv(app, tree, "", SETTINGS)
    os.makedirs(wanted.path)
    assert not wanted.is_complete()
    wanted.complete()
    assert wanted.is_complete()
    assert not wanted.is_linked()
    wanted.link()
    assert wanted.is_linked()
    assert os.path.realpath(os.path.join(tree, ".venv")) == wanted.path
