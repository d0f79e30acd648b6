from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _local_settings
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.modules import run_commands

from tests.unit.conftest import ME


@pytest.fixture
def tree(app: App, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run_commands, "App", lambda _: app)
    tree = Path(app.release(7))
    manifest = {"directory": "src", "settings_module": "shop.settings"}
    for folder in (".greenroom", ".venv/bin", "src/node_modules/.bin"):
        (tree / folder).mkdir(parents=True)
    for place in (".venv/bin/first", "src/node_modules/.bin/first", "src/node_modules/.bin/second"):
        (tree / place).write_text(f"#!/bin/sh\necho {place} $1\n")
        (tree / place).chmod(0o755)
    (tree / ".greenroom/release.json").write_text(json.dumps(manifest))
    Path(app.environment(7)).write_text('KEY="a b"\n')
    return tree


def run(*commands: str, check: bool = False) -> dict[str, Any]:
    params = {
        "app": "blog",
        "release": 7,
        "commands": list(commands),
        "timeout": 20,
        "memory_max": "",
    }
    return run_commands.run_commands(params, check)


def test_they_run_in_the_folder_of_manage_py_with_the_apps_tools(tree: Path) -> None:
    show = "/bin/sh -c 'pwd; echo $KEY $DJANGO_SETTINGS_MODULE; echo {} > made'"
    assert run(show, "first 'a  b'", "second ; echo $KEY") == {
        "changed": True,
        "outputs": [
            f"{tree}/src\na b shop.settings",
            ".venv/bin/first a  b".replace("  ", " "),
            "src/node_modules/.bin/second ;",
        ],
    }
    assert (tree / "src/made").exists()


def test_they_may_read_the_local_settings_meanwhile(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And neither before nor after, whatever comes of it."""
    manifest = {"directory": "src", "settings_module": "shop.x", "local_settings": "src/local.py"}
    (tree / ".greenroom/release.json").write_text(json.dumps(manifest))
    (tree / "src/local.py").write_text("A = 1\n")
    owners: list[Any] = []
    write = _local_settings.write_local_settings

    def noted(app: App, number: int, path: str, content: str, owner: str = "root") -> None:
        owners.append((path, content, owner))
        write(app, number, path, content, ME)

    monkeypatch.setattr(_local_settings, "write_local_settings", noted)
    for command in ("/bin/sh -c 'echo B = 2 >> src/local.py; ln src/local.py x'", "/bin/false"):
        with suppress(GreenroomError):
            run(command)
        assert (tree / "src/local.py").read_text() == "A = 1\n"
        assert (tree / "src/local.py").stat().st_nlink == 1
    assert owners == [("src/local.py", "A = 1\n", who) for who in (ME, "root")] * 2


def test_the_first_that_fails_is_the_last(tree: Path) -> None:
    with pytest.raises(GreenroomError) as failed:
        run("/bin/sh -c 'echo oh; exit 3'", "/bin/touch made")
    assert str(failed.value) == (
        "The command \"/bin/sh -c 'echo oh; exit 3'\" failed (exit 3):\noh"
    )
    assert os.listdir(tree / "src") == ["node_modules"]


@pytest.mark.usefixtures("tree")
def test_one_that_is_not_there() -> None:
    with pytest.raises(
        GreenroomError, match=r"^The command 'npm-x ci' failed: npm-x is not on this host\.$"
    ):
        run("npm-x ci")


def test_a_dry_run_runs_none(tree: Path) -> None:
    assert run("/bin/touch made", check=True) == {"changed": True}
    assert os.listdir(tree / "src") == ["node_modules"]
