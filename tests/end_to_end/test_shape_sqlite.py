"""A SQLite file in the tree that outlives nothing: refused, with the setting that mends it.

Each release would start with an empty database, and answer 200. So it is noticed before the first
handover, whatever way the settings name the file.
"""

from __future__ import annotations

import pytest
from project import HOME, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

#: {what it is: (lines of the settings, the database, the path to add to app_shared_paths)}
SHAPES = {
    "plain": ("", "default", "db.sqlite3"),
    "in a folder": (
        'DATABASES["default"]["NAME"] = BASE_DIR / "var" / "site.db"\n',
        "default",
        "var/site.db",
    ),
    "a second one": (
        'DATABASES["default"]["NAME"] = "/srv/playbill/shared/fine.db"\n'
        'DATABASES["archive"] = {**DATABASES["default"], "NAME": BASE_DIR / "archive.db"}\n',
        "archive",
        "archive.db",
    ),
    "relative": ('DATABASES["default"]["NAME"] = "relative.db"\n', "default", "relative.db"),
    "through a link": (
        'DATABASES["default"]["NAME"] = BASE_DIR / "link" / "site.db"\n',
        "default",
        "inner/site.db",
    ),
    "a URI": (
        'DATABASES["default"]["NAME"] = f"file:{BASE_DIR}/uri.db?mode=rwc"\n'
        'DATABASES["default"]["OPTIONS"] = {"uri": True}\n',
        "default",
        "uri.db",
    ),
}


def commit(project: Project, settings: str) -> None:
    """Commit the project with these settings, and a link to a folder in it."""
    project.commit({"inner/README": "of the repository\n"}, settings=settings)
    (project.repository.path / "link").symlink_to("inner")
    project.push()


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_refused_before_the_first_handover(project: Project, shape: str) -> None:
    settings, alias, path = SHAPES[shape]
    commit(project, settings)
    said = project.refuse(app_shared_paths=["media/"])
    assert f"The database '{alias}' is the SQLite file {path} inside the release's tree" in said
    assert f"app_shared_paths: [..., {path}]" in said
    assert project.serving() == 0
    # Nothing was migrated into a file that nobody would find again.
    assert project.host.shell(f"find {HOME}/releases -name '*.db' -o -name '*.sqlite3'") == ""


def test_the_setting_mends_it(project: Project) -> None:
    settings, _, path = SHAPES["through a link"]
    shared = ["media/", path]
    commit(project, settings)
    project.deploy(app_shared_paths=shared)
    assert project.host.get("/add/?text=kept").status == 204
    commit(project, settings + "TITLE = 'second'\n")
    project.deploy(app_shared_paths=shared)
    assert project.page()["title"] == "second"
    assert project.page()["notes"] == ["kept"]
    project.rollback()
    assert project.page()["notes"] == ["kept"]
