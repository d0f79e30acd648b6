"""Rows and an upload that a trial writes, with a real Django, and no web server."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._environment import dump_environment
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_json
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer
from ansible_collections.greenroom.django.plugins.modules import canary

from tests.unit.conftest import defaults_of, with_the_newest

SETTINGS = """
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["SECRET_KEY"]
INSTALLED_APPS = []
DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / f"{alias}.sqlite3"}
    for alias in ("default", "archive")
}
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "/media/"
"""
#: with a database and a folder of uploads of its own for each release
OWN_DATABASE = """
for alias in DATABASES:
    DATABASES[alias]["NAME"] = f"SHARED/{BASE_DIR.name}-{alias}.sqlite3"
"""
OWN_UPLOADS = 'MEDIA_ROOT = f"SHARED/{BASE_DIR.name}"\n'


class Site:
    """Two releases, of which one serves; what outlives them is linked into both."""

    def __init__(self, app: App, venv: Path) -> None:
        self.app, self.shared = app, Path(app.shared)
        (self.shared / "media").mkdir()
        for number in (6, 7):
            tree = Path(app.release(number))
            (tree / ".greenroom").mkdir(parents=True)
            (tree / "project").mkdir()
            (tree / "project/__init__.py").touch()
            os.symlink(venv, tree / ".venv")
            for name in ("media", "default.sqlite3", "archive.sqlite3"):
                os.symlink(self.shared / name, tree / name)
            Path(app.environment(number)).write_text(dump_environment({"SECRET_KEY": "hush-hush"}))
            manifest = {"directory": ".", "settings_module": "project.settings"}
            write_json(str(tree / ".greenroom/release.json"), manifest)
        self.set("")
        app.put_on_stage(6)

    def set(self, more: str) -> None:
        """Have both releases have these settings besides."""
        text = SETTINGS + more.replace("SHARED", self.app.shared)
        for number in (6, 7):
            Path(self.app.release(number), "project/settings.py").write_text(text)

    def run(self, state: str, written: Any = None, check: bool = False, **more: Any) -> Any:
        params = {"app": "blog", "state": state, "databases": ["default", "archive"]}
        return canary.canary(
            {**defaults_of(canary), **params, "written": written or {}, **more}, check
        )

    def rows(self, name: str = "default.sqlite3") -> list[str]:
        with closing(sqlite3.connect(self.shared / name)) as database:
            tables = database.execute("SELECT name FROM sqlite_master").fetchall()
            return [
                row[0] for (table,) in tables for row in database.execute(f"SELECT * FROM {table}")
            ]

    def uploads(self) -> list[str]:
        return sorted(os.listdir(self.shared / "media"))


@pytest.fixture
def site(app: App, venv: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(canary, "App", lambda _: app)
    return Site(app, venv)


@with_the_newest
def test_what_one_release_writes_another_finds(site: Site) -> None:
    dry = site.run("written", check=True)
    assert (dry["changed"], dry["release"], list(site.shared.glob("*.sqlite3"))) == (True, 6, [])
    written = site.run("written")
    mark = written["mark"]
    assert site.rows() == site.rows("archive.sqlite3") == [mark]
    assert site.uploads() == [f"greenroom-trial-{mark}.txt"]
    assert written["rows"]["default"] == str(site.shared / "default.sqlite3")
    site.app.put_on_stage(7)
    assert site.run("there", written, check=True)["release"] == 7
    found = site.run("there", written)
    assert (found["changed"], found["release"], found["lost"]) == (False, 7, [])
    assert found["found"] == [
        f"a row in the database default ({site.shared}/default.sqlite3)",
        f"a row in the database archive ({site.shared}/archive.sqlite3)",
        f"an upload in {site.shared}/media",
    ]
    assert found["untried"] == ["the upload through the web server (app_media_path is empty)"]
    site.run("removed", written, check=True)
    assert site.uploads()
    site.run("removed", written)
    assert (site.rows(), site.uploads()) == ([], [])
    site.run("removed", written)


@with_the_newest
def test_a_trial_that_was_cut_off_leaves_nothing_for_the_next(site: Site) -> None:
    site.run("written")
    written = site.run("written")
    assert site.rows() == [written["mark"]]


@with_the_newest
def test_a_database_of_its_own_for_each_release(site: Site) -> None:
    site.set(OWN_DATABASE)
    written = site.run("written")
    site.app.put_on_stage(7)
    found = site.run("there", written)
    assert len(found["lost"]) == 2
    assert found["lost"][0] == (
        "The row that release 6 wrote to the database 'default' is not there for release 7. It is "
        f"{site.shared}/7-default.sqlite3, and was {site.shared}/6-default.sqlite3. A database "
        "must be the same one for all releases: a database file in the tree is one of "
        "app_shared_paths, and no part of its path has a release's number."
    )
    assert found["found"] == [f"an upload in {site.shared}/media"]


@with_the_newest
def test_uploads_of_their_own_for_each_release(site: Site) -> None:
    site.set(OWN_UPLOADS)
    written = site.run("written")
    site.app.put_on_stage(7)
    [lost] = site.run("there", written)["lost"]
    assert lost.startswith(
        "The upload that release 6 saved is not there for release 7. Uploads are in "
        f"{site.shared}/7, and were in {site.shared}/6. The folder of MEDIA_ROOT must be the same"
    )


@with_the_newest
def test_an_upload_with_another_content(site: Site) -> None:
    written = site.run("written")
    (site.shared / "media" / site.uploads()[0]).write_text("something else")
    [lost] = site.run("there", written)["lost"]
    assert f"It was in {site.shared}/media." in lost


@with_the_newest
def test_uploads_in_the_tree(site: Site) -> None:
    """They are refused before anything is deployed, with the setting; and no row is left."""
    site.set('MEDIA_ROOT = BASE_DIR / "manage.py" / "uploads"\n')
    Path(site.app.release(6), "manage.py").touch()  # as good as no right to write there
    with pytest.raises(GreenroomError) as refused:
        site.run("written")
    said = str(refused.value)
    assert said.startswith("The upload could not be saved: ")
    assert said.endswith(
        "MEDIA_ROOT is manage.py/uploads inside the release's tree, which the app may not write "
        "to, and which the next release does not have. Make it outlive the release: "
        "app_shared_paths: [..., manage.py/uploads/]"
    )
    assert site.rows() == []


@with_the_newest
def test_no_uploads_at_all(site: Site) -> None:
    site.set('MEDIA_ROOT = ""\n')
    written = site.run("written")
    found = site.run("there", written)
    assert (found["lost"], found["untried"]) == (
        [],
        ["an upload (the settings have no MEDIA_ROOT)"],
    )
    site.run("removed", written)


@with_the_newest
def test_a_database_that_the_settings_lack(site: Site) -> None:
    with pytest.raises(GreenroomError, match="app_databases names 'x'; the settings have archive"):
        site.run("written", databases=["x"])


@with_the_newest
def test_what_the_app_says_has_no_secret_in_it(site: Site) -> None:
    site.set('raise RuntimeError("key: " + SECRET_KEY)\n')
    with pytest.raises(GreenroomError, match="RuntimeError: key: ") as refused:
        site.run("written")
    assert "hush-hush" not in str(refused.value)
    [lost] = site.run("there", {"mark": "x", "release": 6})["lost"]
    assert "Django did not get through look of release 6" in lost
    assert "hush-hush" not in lost


def test_nothing_serves(site: Site) -> None:
    os.unlink(site.app.current)
    with pytest.raises(GreenroomError, match="No release of blog serves on this host"):
        site.run("written")


@pytest.mark.parametrize(
    ("url", "answer", "found", "untried", "wrong"),
    [
        ("/media/x", Answer(200, body=b"mark"), "the upload through the web server", "", ""),
        ("/media/x", Answer(200, body=b"page"), "", "", "does not show it: /media/x on localhost"),
        ("/media/x", Answer(404, "Not Found"), "", "", "answers 404 Not Found. app_media_path"),
        (
            "/media/x",
            Answer(301, headers={"location": "https://a/"}),
            "",
            "(it leads to https)",
            "",
        ),
        ("https://s3.example.com/x", Answer(None), "", "(its address is https://s3.exam", ""),
        ("/secret/x", Answer(None), "", "(its address is /secret/x)", ""),
        ("", Answer(None), "", "(its address is none)", ""),
    ],
)
def test_through_the_web_server(
    monkeypatch: pytest.MonkeyPatch, url: str, answer: Answer, found: str, untried: str, wrong: str
) -> None:
    monkeypatch.setattr(canary, "ask", lambda *_, **__: answer)
    params = {"media_url": "/media/", "host": "localhost", "port": 80}
    said = canary.look_through_web_server({"url": url, "where": "/srv"}, "mark", params)
    for part, expected in zip(said, (found, untried, wrong)):
        assert expected in part
        assert bool(part) == bool(expected)
