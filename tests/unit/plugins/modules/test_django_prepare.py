from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._seal import checksums_of_release
from ansible_collections.greenroom.django.plugins.modules import django_prepare

from tests.unit.conftest import defaults_of


def test_steps_that_take_a_start_each(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an app looks at sys.argv; and none after migrations that wait."""
    asked: list[list[str]] = []

    def start(*arguments: Any) -> dict[str, Any]:
        asked.append(arguments[3])
        waiting = {"waiting": {"default": ["shop.0001"]}} if arguments[3][0] == "migrate" else {}
        return {"done": arguments[3][:1], arguments[3][0]: True, **waiting}

    monkeypatch.setattr(django_prepare, "start", start)
    found = django_prepare.start_all(app, 7, {}, ["collectstatic", "migrate", "check"], {})
    assert asked == [["collectstatic", "migrate", "check"], ["migrate", "check"]]
    assert [found["done"], found["collectstatic"]] == [["collectstatic", "migrate"], True]


MANIFEST = {"number": 7, "settings_module": "shop.settings", "directory": ".", "wsgi": ""}


@pytest.fixture
def public(app: App) -> Path:
    """What was collected for release 7."""
    public = Path(app.backstage(7), "public/static")
    (public / "css").mkdir(parents=True)
    (public / "css/a.css").write_text("a {}")
    (public / "css/a.css").chmod(0o600)
    (public / "css").chmod(0o700)
    Path(app.backstage(7), "release.json").write_text(json.dumps(MANIFEST))
    os.makedirs(os.path.join(app.venvs, "v/lib"))
    Path(app.venvs, "v/.checksums").write_text("{}")
    os.symlink("../../venvs/v", os.path.join(app.release(7), ".venv"))
    return public


def test_all_can_read_what_was_collected_and_one_can_write(app: App, public: Path) -> None:
    (public / "css/newest.css").symlink_to("a.css")
    for name, target in (("out", "/etc/passwd"), ("css/up", "../../x"), ("down", "css/../../x")):
        (public / name).symlink_to(target)
    os.mkfifo(public / "css/fifo")
    gone = django_prepare.publish(app, 7, "public/static", seal=True)
    assert sorted(gone) == ["css/fifo", "css/newest.css", "css/up", "down", "out"]
    modes = {p.name: oct(p.lstat().st_mode) for p in (public, *public.rglob("*"))}
    assert modes == {
        "static": "0o40755",
        "css": "0o40755",
        "a.css": "0o100644",
    }
    assert not os.path.lexists(os.path.join(app.release(7), "staticfiles"))


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("there", [None, "folder", "link"])
@pytest.mark.parametrize("where", ["staticfiles", "shop/assets/all"])
def test_static_root_leads_to_it(app: App, where: str, there: str | None) -> None:
    root = Path(app.release(7), where)
    if there == "folder":
        (root / "old").mkdir(parents=True)
    elif there == "link":
        root.parent.mkdir(parents=True, exist_ok=True)
        root.symlink_to("nowhere")
    for _ in range(2):
        django_prepare.lead_to_public(app, 7, str(root), "public/static")
        assert root.is_symlink()
        assert (root / "css/a.css").read_text() == "a {}"


@pytest.mark.parametrize(
    "where",
    [
        "/srv/static",
        "..",
        ".",
        ".greenroom",
        ".greenroom/public",
        ".venv",
        ".venv/lib/static",
        "media/x",
        "../8/static",
    ],
)
def test_a_static_root_that_is_no_folder_of_its_own(app: App, public: Path, where: str) -> None:
    """Nothing may be removed for it, least of all what outlives releases."""
    kept = Path(app.shared, "media/x/upload")
    kept.parent.mkdir(parents=True)
    kept.write_text("kept")
    os.symlink(os.path.join(app.shared, "media"), os.path.join(app.release(7), "media"))
    root = os.path.normpath(os.path.join(app.release(7), where))
    with pytest.raises(GreenroomError) as refused:
        django_prepare.lead_to_public(app, 7, root, "public/static")
    assert str(refused.value).startswith(f"STATIC_ROOT is {root}. Each release needs a folder of")
    assert kept.read_text() == "kept"
    assert (public / "css/a.css").read_text() == "a {}"


class Django:
    """Stands in for the Django start, and remembers what it was asked to do."""

    def __init__(self, waits: bool = False) -> None:
        self.asked: list[dict[str, Any]] = []
        self.waits = waits

    def start(
        self,
        _app: App,
        _number: int,
        _manifest: Any,
        request: Any,
        _timeout: int,
        writable: list[str],
    ) -> Any:
        self.asked.append(request)
        assert writable == ([request["static_root"]] if "collectstatic" in request["steps"] else [])
        steps = request["steps"]
        done = steps[: steps.index("migrate") + 1] if self.waits and "migrate" in steps else steps
        found = {"done": done}
        if "collectstatic" in done:
            found["collected"] = "did collectstatic"
        if "migrate" in done:
            found["waiting"] = {"default": ["shop.0001"] if self.waits else []}
        if "check" in done:
            found["warnings"] = ["(shop.W1) a draught near s3cret!"]
        return {"static_root": None, "wsgi": "shop.wsgi:application", "django": "5.2", **found}


def run(check: bool = False, **params: Any) -> dict[str, Any]:
    return django_prepare.django_prepare(
        {**defaults_of(django_prepare), "app": "blog", "release": 7, **params}, check
    )


@pytest.mark.usefixtures("public")
def test_each_step_is_done_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    django = Django()
    monkeypatch.setattr(django_prepare, "App", lambda _: app)
    monkeypatch.setattr(django_prepare, "start_django", django.start)
    assert run(check=True) == {"changed": True}
    assert run(steps=["collectstatic"]) == {
        "changed": True,
        "collected": "did collectstatic",
        "django": "5.2",
        "wsgi": "shop.wsgi:application",
        "left": [],
        "warnings": [],
        "warnings_of_check": [],
    }
    Path(app.environment(7)).write_text('KEY="s3cret!"\n')
    checked = run()
    assert checked["warnings_of_check"] == ["(shop.W1) a draught near ********"]
    assert checked["warnings"] == ["manage.py check --deploy: (shop.W1) a draught near ********"]
    assert run() == run(check=True) == {"changed": False}
    assert [request["steps"] for request in django.asked] == [
        ["collectstatic"],
        ["check", "migrate"],
    ]
    assert [request["wsgi"] for request in django.asked] == ["", "shop.wsgi:application"]
    manifest = json.loads(Path(app.backstage(7), "release.json").read_text())
    assert manifest.pop("sealed") == checksums_of_release(app, 7)
    assert manifest == {
        **MANIFEST,
        "wsgi": "shop.wsgi:application",
        "done": ["collectstatic", "check", "migrate"],
    }


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"debug": False}, []),
        ({"debug": True}, ["DEBUG is on in the settings"]),
        (
            {"collected": None, "static_app": True, "static_root": None},
            ["The settings have no STATIC_ROOT"],
        ),
        ({"collected": None, "static_app": False, "static_root": None}, []),
        ({"unread": ""}, []),
        ({"unread": "local.py"}, ["app_local_settings is local.py, which was made, and the set"]),
    ],
)
def test_what_the_user_is_warned_of(found: dict[str, Any], said: list[str]) -> None:
    warnings = django_prepare.warnings(found, ["(a.W1) b"])
    assert warnings[0] == "manage.py check --deploy: (a.W1) b"
    assert [line.startswith(start) for line, start in zip(warnings[1:], said, strict=True)] == [
        True
    ] * len(said)


@pytest.mark.usefixtures("public")
def test_what_comes_after_migrations_that_wait_is_for_a_second_call(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    django = Django(waits=True)
    monkeypatch.setattr(django_prepare, "App", lambda _: app)
    monkeypatch.setattr(django_prepare, "start_django", django.start)
    steps = ["check", "migrate", "collectstatic"]
    assert run(steps=steps)["left"] == ["collectstatic"]
    assert run(steps=steps)["left"] == []
    assert [request["steps"] for request in django.asked] == [steps, ["collectstatic"]]


def test_a_dry_run_of_a_release_that_is_not_there(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(django_prepare, "App", lambda _: app)
    assert run(check=True, steps=["check", "migrate"]) == {
        "changed": True,
        "msg": "Would do check, migrate.",
    }
