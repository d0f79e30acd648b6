from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._requirements import (
    wanted_virtualenv,
)
from ansible_collections.greenroom.django.plugins.module_utils._shared import link_shared
from ansible_collections.greenroom.django.plugins.module_utils._source_control.git import Git
from ansible_collections.greenroom.django.plugins.modules.create_release import (
    describe,
    make,
    reuse_virtualenv,
    serves_already,
    warnings_of_others,
)

from tests.unit.conftest import ME, give_virtualenv
from tests.unit.repository import Repository

DEFAULTS: dict[str, Any] = {
    "local_settings": "",
    "manage": "manage.py",
    "settings_module": "",
    "wsgi": "",
    "requirements": "",
    "shared_paths": [],
    "settings": {},
    "virtualenv": {
        "installer": "uv",
        "python": sys.executable,
        "install_project": False,
        "gunicorn": "gunicorn",
    },
}
SETDEFAULT = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
FILES = {
    "manage.py": SETDEFAULT,
    "shop/settings.py": "",
    "shop/settings/__init__.py": "",
    "shop/settings/live.py": "",
    "src/manage.py": "os.environ.setdefault(\n    'DJANGO_SETTINGS_MODULE',\n    'inner.conf'\n)\n",
    "src/inner/conf/__init__.py": "",
    "assigned.py": "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n",
    "silent.py": "print(1)\n",
    "requirements/live.txt": "",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Git:
    folder = tmp_path_factory.mktemp("git")
    repository = Repository(folder / "work", folder / "bare")
    files = {name: text for name, text in FILES.items() if name != "shop/settings.py"}
    repository.commit("Start", files)
    repository.fetch()
    return Git(str(repository.bare), ME)


@pytest.mark.parametrize(
    ("params", "environment", "directory", "module"),
    [
        ({}, {}, ".", "shop.settings"),
        ({"manage": "./manage.py"}, {}, ".", "shop.settings"),
        ({"manage": "assigned.py"}, {}, ".", "shop.settings"),
        ({"manage": "src/manage.py"}, {}, "src", "inner.conf"),
        ({}, {"DJANGO_SETTINGS_MODULE": "shop.settings.live"}, ".", "shop.settings.live"),
        (
            {"settings_module": "shop.settings.live"},
            {"DJANGO_SETTINGS_MODULE": "shop.settings"},
            ".",
            "shop.settings.live",
        ),
        ({"settings_module": "elsewhere"}, {"PYTHONPATH": "/etc/blog"}, ".", "elsewhere"),
        (
            {"settings_module": "installed.x", "virtualenv": {"install_project": True}},
            {},
            ".",
            "installed.x",
        ),
        ({"local_settings": "shop/local.py"}, {}, ".", "shop.settings"),
        ({"local_settings": "local.py"}, {}, ".", "shop.settings"),
        ({"requirements": "requirements/live.txt"}, {}, ".", "shop.settings"),
        ({"requirements": "./requirements//live.txt"}, {}, ".", "shop.settings"),
    ],
)
def test_a_manifest(
    source: Git, params: dict[str, Any], environment: dict[str, str], directory: str, module: str
) -> None:
    revision = source.resolve("live")
    assert describe(source, revision, DEFAULTS | params, environment) == {
        "revision": revision,
        "directory": directory,
        "settings_module": module,
        "wsgi": "",
        "local_settings": params.get("local_settings", ""),
        "requirements": params.get("requirements", ""),
        "settings": {},
        "virtualenv": params.get("virtualenv", DEFAULTS["virtualenv"]),
        "shared_paths": [],
    }


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (
            {"manage": "nowhere.py"},
            "app_manage is 'nowhere.py', which is not a file in revision {}.",
        ),
        ({"manage": "shop"}, "app_manage is 'shop', which is not a file in revision {}."),
        (
            {"requirements": "live.txt"},
            "app_requirements is 'live.txt', which is not a file in revision {}.",
        ),
        (
            {"local_settings": "shop/settings/live.py"},
            "app_local_settings is 'shop/settings/live.py', which revision {} has; it should be a "
            "file that version control does not have: git rm --cached shop/settings/live.py, and a "
            "line in .gitignore.",
        ),
        (
            {"local_settings": "shop/conf/local.py"},
            "app_local_settings is 'shop/conf/local.py', and revision {} has no such folder.",
        ),
        ({"manage": "silent.py"}, "silent.py names no settings module: set app_settings_module."),
        (
            {"settings_module": "shop.conf"},
            "The settings module is 'shop.conf' (app_settings_module), which is not in revision {} "
            "beside manage.py.",
        ),
        (
            {"manage": "src/manage.py", "settings_module": "shop.settings"},
            "The settings module is 'shop.settings' (app_settings_module), which is not in "
            "revision {} beside src/manage.py.",
        ),
    ],
)
def test_what_is_not_in_the_repository_is_said(
    source: Git, params: dict[str, Any], said: str
) -> None:
    revision = source.resolve("live")
    with pytest.raises(GreenroomError) as refused:
        describe(source, revision, DEFAULTS | params, {})
    assert str(refused.value) == said.format(revision[:12])


def test_a_release_on_the_disk(app: App, source: Git) -> None:
    manifest = describe(source, source.resolve("live"), DEFAULTS, {})
    make(app, source, 7, manifest, 'A="1"\n', "")
    tree, backstage = Path(app.release(7)), Path(app.backstage(7))
    assert (tree / "manage.py").read_text() == SETDEFAULT
    # The group passes and reads; the web server passes, and reads no code.
    modes = [oct(path.stat().st_mode)[-4:] for path in (tree, tree / "manage.py", backstage)]
    assert [modes[0][-3:], modes[1]] == ["751", "0640"]
    assert sorted(os.listdir(backstage)) == [
        "asked.json",
        "env",
        "public",
        "release.json",
        "socket",
    ]
    assert json.loads((backstage / "asked.json").read_text()) == manifest
    assert json.loads((backstage / "release.json").read_text()) == {"number": 7, **manifest}
    assert [os.readlink(backstage / name) for name in ("socket", "env")] == [
        app.socket(7),
        app.environment(7),
    ]
    environment = Path(app.environment(7))
    assert (environment.read_text(), environment.stat().st_mode & 0o777) == ('A="1"\n', 0o640)


def test_what_a_run_that_died_left_of_it_goes(app: App, source: Git) -> None:
    os.makedirs(os.path.join(app.release(7), "left", "over"))
    make(app, source, 7, describe(source, source.resolve("live"), DEFAULTS, {}), "", "")
    assert not os.path.exists(os.path.join(app.release(7), "left"))


@pytest.mark.parametrize(
    ("files", "warned"),
    [
        ({}, False),
        ({".gitmodules": "\n"}, False),
        ({".gitmodules": '[submodule "lib"]\n  path = lib\n'}, True),
    ],
)
def test_submodules_are_told_of(tmp_path: Path, files: dict[str, str], warned: bool) -> None:
    repository = Repository(tmp_path / "work", tmp_path / "bare")
    revision = repository.commit("Start", {"manage.py": "", **files})
    repository.fetch()
    found = warnings_of_others(Git(str(repository.bare), ME), revision)
    assert [text.split(" (")[0] for text in found] == (
        [f"Revision {revision[:12]} has submodules"] if warned else []
    )


@pytest.mark.parametrize("name", [".greenroom/x", ".venv/x"])
def test_names_of_the_releases_own_are_refused(app: App, tmp_path: Path, name: str) -> None:
    repository = Repository(tmp_path / "work", tmp_path / "bare")
    revision = repository.commit("Start", {**FILES, name: ""} | {"shop/settings/x.py": ""})
    repository.fetch()
    git = Git(str(repository.bare), ME)
    with pytest.raises(GreenroomError, match=r"^The repository tracks \.greenroom or \.venv"):
        make(app, git, 1, describe(git, revision, DEFAULTS, {}), "", "")


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"running": False}, False),
        ({"serving": None}, False),
        ({"serving": 8}, False),
        ({"environment": 'A="2"\n'}, False),
        ({"local settings": "A = 2\n"}, False),
        ({"local_settings": ""}, False),
        ({"revision": "0" * 40}, False),
        ({"settings": {"python": "python3.12"}}, False),
        ({"requirements": "requirements/live.txt"}, False),
        ({"virtualenv damaged": True}, False),
    ],
)
def test_whether_it_serves_already(
    app: App, source: Git, change: dict[str, Any], same: bool
) -> None:
    params = {**DEFAULTS, "local_settings": "shop/local.py"}
    manifest = describe(source, source.resolve("live"), params, {})
    make(app, source, 7, manifest, 'A="1"\n', "A = 1\n")
    give_virtualenv(app, 7)
    if "virtualenv damaged" in change:
        os.unlink(os.path.join(app.release(7), ".venv", ".complete"))
    asked = manifest | {key: value for key, value in change.items() if key in manifest}
    assert (
        serves_already(
            app,
            change.get("serving", 7),
            asked,
            change.get("environment", 'A="1"\n'),
            change.get("local settings", "A = 1\n"),
            change.get("running", True),
        )
        is same
    )


def test_local_settings_are_gone_by_hand(app: App, source: Git) -> None:
    params = {**DEFAULTS, "local_settings": "shop/local.py"}
    manifest = describe(source, source.resolve("live"), params, {})
    make(app, source, 7, manifest, "", "A = 1\n")
    give_virtualenv(app, 7)
    assert serves_already(app, 7, manifest, "", "A = 1\n", running=True)
    os.unlink(os.path.join(app.release(7), "shop/local.py"))
    assert not serves_already(app, 7, manifest, "", "A = 1\n", running=True)


def tree_of(folder: str) -> dict[str, str | None]:
    """Files with their content, links with their targets; folders have None."""
    return {
        str(path.relative_to(folder)): f"-> {os.readlink(path)}"
        if path.is_symlink()
        else path.read_text()
        if path.is_file()
        else None
        for path in sorted(Path(folder).rglob("*"))
    }


@pytest.mark.parametrize(
    ("path", "tracked", "there", "tree", "shared"),
    [
        pytest.param(
            "media/", {}, {}, {"media": "-> ../../shared/media"}, {"media": None}, id="a folder"
        ),
        pytest.param(
            "db.sqlite3",
            {},
            {},
            {"db.sqlite3": "-> ../../shared/db.sqlite3"},
            {},
            id="a file, which the app makes",
        ),
        pytest.param(
            "a/b/db.sqlite3",
            {"a/x": "code"},
            {},
            {"a": None, "a/b": None, "a/b/db.sqlite3": "-> ../../../../shared/a/b/db.sqlite3"}
            | {"a/x": "code"},
            {"a": None, "a/b": None},
            id="deep inside",
        ),
        pytest.param(
            "data/",
            {"data/seed": "rows", "data/link": "-> seed"},
            {},
            {"data": "-> ../../shared/data"},
            {"data": None, "data/seed": "rows", "data/link": "-> seed"},
            id="what the repository has is the seed",
        ),
        pytest.param(
            "db.sqlite3",
            {"db.sqlite3": "new"},
            {"db.sqlite3": "lived in"},
            {"db.sqlite3": "-> ../../shared/db.sqlite3"},
            {"db.sqlite3": "lived in"},
            id="once",
        ),
        pytest.param(
            "db.sqlite3",
            {"db.sqlite3": "-> /etc/passwd"},
            {},
            {"db.sqlite3": "-> ../../shared/db.sqlite3"},
            {},
            id="a link in the repository is not followed",
        ),
        pytest.param(
            "data/",
            {"data": "-> /etc"},
            {},
            {"data": "-> ../../shared/data"},
            {"data": None},
            id="nor one to a folder",
        ),
    ],
)
def test_what_outlives_releases(
    app: App,
    path: str,
    tracked: dict[str, str],
    there: dict[str, str],
    tree: dict[str, str | None],
    shared: dict[str, str | None],
) -> None:
    os.mkdir(app.release(7))
    for folder, contents in ((app.release(7), tracked), (app.shared, there)):
        for name, content in contents.items():
            full = Path(folder, name)
            full.parent.mkdir(parents=True, exist_ok=True)
            if content.startswith("-> "):
                full.symlink_to(content[3:])
            else:
                full.write_text(content)
    link_shared(app, app.release(7), [path])
    assert tree_of(app.release(7)) == {key.rstrip("/"): value for key, value in tree.items()}
    assert tree_of(app.shared) == shared


@pytest.mark.parametrize("where", ["tree", "shared"])
def test_a_link_leads_nowhere_else(app: App, tmp_path: Path, where: str) -> None:
    """Root makes and removes things here, where the repository and the app make links."""
    precious = tmp_path / "precious"
    (precious / "inner").mkdir(parents=True)
    os.mkdir(app.release(7))
    os.symlink(precious, os.path.join(app.release(7) if where == "tree" else app.shared, "data"))
    with pytest.raises(GreenroomError, match=r"^app_shared_paths has 'data/inner/'; .* leads out"):
        link_shared(app, app.release(7), ["data/inner/"])
    assert tree_of(str(precious)) == {"inner": None}


def test_a_virtualenv_of_the_same_content_is_linked(app: App) -> None:
    manifest = {"requirements": "", "virtualenv": DEFAULTS["virtualenv"]}
    os.mkdir(app.release(7))
    assert not reuse_virtualenv(app, 7, manifest)
    there = wanted_virtualenv(app, app.release(7), "", DEFAULTS["virtualenv"])
    os.mkdir(there.path)
    assert not reuse_virtualenv(app, 7, manifest), "one whose build died is no virtualenv"
    assert not there.is_linked()
    there.complete()
    assert reuse_virtualenv(app, 7, manifest) == there.path
    assert there.is_linked()
