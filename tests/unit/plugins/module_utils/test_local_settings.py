from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _local_settings
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._environment import without_secrets
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._local_settings import (
    lent_to_builder,
    named_strings,
    named_values,
    read_local_settings,
    write_local_settings,
)

TEXT = """
DEBUG = False
TITLE = "Tonight"
SECRET_KEY = 'first-night'
A = API_TOKEN = "sesame-street"
DATABASES = {"default": {"NAME": "blog", "PASSWORD": "open-sesame"}}
"""


@pytest.fixture
def tree(app: App) -> Path:
    tree = Path(app.release(7))
    (tree / "config").mkdir(parents=True)
    return tree


def test_the_file(app: App, tree: Path) -> None:
    assert read_local_settings(app, 7, "config/local.py") == ""
    write_local_settings(app, 7, "config/local.py", TEXT)
    assert (tree / "config/local.py").stat().st_mode & 0o777 == 0o640
    assert read_local_settings(app, 7, "config/local.py") == TEXT
    assert read_local_settings(app, 7, "") == ""


def test_a_folder_that_leads_elsewhere(app: App, tree: Path, tmp_path: Path) -> None:
    (tree / "out").symlink_to(tmp_path)
    with pytest.raises(GreenroomError) as refused:
        write_local_settings(app, 7, "out/local.py", TEXT)
    assert str(refused.value) == (
        "app_local_settings is 'out/local.py', which should be in the release. "
        f"{tree}/out was replaced by a link, or by something else that is not followed."
    )
    assert not (tmp_path / "local.py").exists()


def test_who_has_none_lends_none(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = lambda *_, **__: pytest.fail("nothing is to be lent")  # noqa: E731
    monkeypatch.setattr(_local_settings, "write_local_settings", nothing)
    with lent_to_builder(app, 7, ""):
        pass


def test_strings_that_have_a_name() -> None:
    assert list(named_strings(TEXT).items()) == [
        ("TITLE 0", "Tonight"),
        ("SECRET_KEY 1", "first-night"),
        ("A 2", "sesame-street"),
        ("API_TOKEN 3", "sesame-street"),
        ("NAME 4", "blog"),
        ("PASSWORD 5", "open-sesame"),
    ]
    assert named_strings("no (python") == {}


def test_what_the_app_says_has_no_secret_of_them(app: App, tree: Path) -> None:
    (tree / ".greenroom").mkdir()
    (tree / ".greenroom/release.json").write_text('{"local_settings": "config/local.py"}')
    write_local_settings(app, 7, "config/local.py", TEXT)
    said = without_secrets(TEXT, named_values(app, 7))
    assert "Tonight" in said
    assert [word for word in ("first-night", "sesame") if word in said] == []


def test_a_release_that_has_no_manifest_has_its_variables(app: App) -> None:
    Path(app.environment(7)).write_text('KEY="s3cret"\n')
    assert named_values(app, 7) == {"KEY": "s3cret"}
