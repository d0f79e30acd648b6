from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.files import (
    problem_of_template,
)


def test_a_hook_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "there.yml").touch()
    hooks = {"before_build": "there.yml", "after_build": str(tmp_path / "there.yml")}
    assert problems({"app_hooks": hooks, "inventory_dir": str(tmp_path)}) == []
    hooks["after_build"] = "gone.yml"
    assert problems({"app_hooks": hooks, "inventory_dir": str(tmp_path)}) == [
        "app_hooks.after_build is 'gone.yml'; it should be a file with tasks, by its whole path or "
        "as seen from the folder of the inventory."
    ]


LOCAL = {"app_local_settings": "config/local.py"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({**LOCAL, "app_local_settings_content": 'KEY = "s3cret"\n', "app_manage": "a.py"}, []),
        ({"app_local_settings_content": "none is wanted"}, []),
        (
            {**LOCAL, "app_local_settings_content": 'A = 1\nKEY = "s3cret\n'},
            [
                "app_local_settings_template makes no Python: unterminated string literal "
                "(detected at line 2) in line 2 of config/local.py."
            ],
        ),
        (
            {**LOCAL, "app_install_project": "yes"},
            [
                "app_local_settings is 'config/local.py', and app_install_project would install "
                "that file for all releases; give one of them."
            ],
        ),
        (
            {**LOCAL, "app_shared_paths": ["media/", "config/"]},
            ["app_shared_paths has 'config', which is the release's own."],
        ),
    ],
)
def test_local_settings(settings: dict[str, Any], found: list[str]) -> None:
    assert problems(settings) == found


def test_a_template_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "local.py.j2"
    assert problem_of_template(str(path), "no such file") == (
        f"app_local_settings_template is '{path}'; it should be a file, by its whole path or as "
        "seen from the folder of the inventory."
    )
    path.write_text('A = 1\nKEY = "{{ key }}"\nB = 2\n')
    start = "app_local_settings_template cannot be read:"
    assert problem_of_template(str(path), "'key' is undefined") == (
        f"{start} 'key' is undefined ({path}, line 2)"
    )
    assert problem_of_template(str(path), "Whatever") == f"{start} Whatever ({path})"


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["media/", "db.sqlite3"], []),
        ([".greenroom/x/"], ["app_shared_paths has '.greenroom/x', which is the release's own."]),
        ([".venv/"], ["app_shared_paths has '.venv', which is the release's own."]),
        (["manage.py"], ["app_shared_paths has 'manage.py', which is the release's own."]),
        (
            ["data/", "data/more/"],
            [
                "app_shared_paths has 'data/more' twice, or within another of its paths.",
            ],
        ),
    ],
)
def test_what_cannot_outlive_a_release(paths: list[str], said: list[str]) -> None:
    assert problems({"app_shared_paths": paths}) == said


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/srv/blog/releases", True),
        ("/srv/blog", True),
        ("/srv/./blog/venvs/", True),
        ("/srv/blog-files", False),
        ("/srv/other", False),
    ],
)
def test_what_the_app_may_not_write_to(path: str, wrong: bool) -> None:
    found = problems({"app_name": "blog", "gunicorn_writable_paths": [path]})
    said = (
        f"gunicorn_writable_paths has {path!r}, in /srv/blog, where releases are; the app can "
        "write to what app_shared_paths names."
    )
    assert found == [said] * wrong
