from __future__ import annotations

import os

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App, replace_link
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError


def test_the_rooms() -> None:
    app = App("blog")
    assert {name: value for name, value in vars(app).items() if name != "name"} == {
        "user": "blog",
        "builder": "blog-build",
        "home": "/srv/blog",
        "releases": "/srv/blog/releases",
        "venvs": "/srv/blog/venvs",
        "shared": "/srv/blog/shared",
        "build": "/srv/blog/build",
        "current": "/srv/blog/current",
        "journal": "/srv/blog/journal.json",
        "backups": "/srv/blog/backups",
        "maintenance": "/srv/blog/maintenance",
        "access": "/srv/blog/access",
        "writable_paths": "/etc/blog/writable-paths",
        "django_group": "blog-django",
        "lock": "/srv/blog/lock.json",
        "etc": "/etc/blog",
        "database_environment": "/etc/blog/database.env",
        "run": "/run/blog",
        "web": "blog-web",
    }
    assert [app.release(7), app.backstage(7), app.environment(7), app.socket(7)] == [
        "/srv/blog/releases/7",
        "/srv/blog/releases/7/.greenroom",
        "/etc/blog/7.env",
        "/run/blog/7.sock",
    ]


@pytest.mark.parametrize("name", ["a", "blog", "my-blog-2", "a" * 24])
def test_a_good_name(name: str) -> None:
    assert App(name).name == name


SHORT = ["", "A", "1a", "-a", "a_b", "a b", "a.b", "a/b", "../a", "a;b", "a'", "a\n", "ä", "a@b"]


@pytest.mark.parametrize("name", [*SHORT, "Blog", "a" * 25])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(GreenroomError) as refused:
        App(name)
    assert str(refused.value) == (
        f"app_name is {name!r}; it should be up to 24 lower-case letters, digits and hyphens, "
        "starting with a letter."
    )


def test_the_stage(app: App) -> None:
    assert app.serving() is None
    app.put_on_stage(41)
    assert (app.serving(), os.readlink(app.current)) == (41, "releases/41")
    app.put_on_stage(42)
    assert (app.serving(), os.readlink(app.current)) == (42, "releases/42")
    assert sorted(os.listdir(app.home)) == ["build", "current", "releases", "shared", "venvs"]


def test_what_is_no_stage_is_said(app: App) -> None:
    os.symlink("releases/old", app.current)
    with pytest.raises(GreenroomError, match=r"points at 'old', which is not a release\."):
        app.serving()
    os.unlink(app.current)
    os.mkdir(app.current)
    with pytest.raises(GreenroomError, match=r"link to a release, and is none \(Invalid"):
        app.serving()


def test_a_link_is_replaced_in_one_step(app: App) -> None:
    """There is no moment without a link, and what a crash left beside it is no obstacle."""
    link = os.path.join(app.home, "link")
    os.symlink("left", f"{link}.new")
    replace_link(link, "first")
    before = os.lstat(link).st_ino
    replace_link(link, "second")
    assert os.readlink(link) == "second"
    assert os.lstat(link).st_ino != before  # another link was put in its place
    assert not os.path.lexists(f"{link}.new")
