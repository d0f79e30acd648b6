from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._source_control import source_of
from ansible_collections.greenroom.django.plugins.modules import fetch, find_source_control

from tests.unit.conftest import defaults_of
from tests.unit.repository import HgRepository

pytestmark = pytest.mark.usefixtures("mercurial")


@pytest.fixture
def params(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A host whose app is in a repository of Mercurial."""
    for module in (fetch, find_source_control):
        monkeypatch.setattr(module, "App", lambda _: app)
    repository = HgRepository(tmp_path / "work")
    repository.commit("Start", {"manage.py": ""})
    asked = {"app": "blog", "source_control": "hg", "repository": str(repository.work)}
    return {**defaults_of(fetch), **asked, "rev": "live"}


def test_a_rehearsal_asks_and_a_run_fetches(app: App, params: dict[str, Any]) -> None:
    asked = fetch.fetch(params, True)
    assert os.listdir(app.build) == []
    assert fetch.fetch(params, False) == {"changed": False, "after": "live"}
    source = source_of(app, "hg")
    assert asked == {"changed": False, "after": source.resolve("live")}
    assert source.path == f"{app.build}/repository.hg"  # type: ignore[attr-defined]


def test_what_kind_it_is(params: dict[str, Any], tmp_path: Path) -> None:
    asked = {**defaults_of(find_source_control), "app": "blog", "repository": params["repository"]}
    assert find_source_control.find_source_control(asked, False)["source_control"] == "hg"
    asked["repository"] = str(tmp_path)
    assert find_source_control.find_source_control(asked, False)["source_control"] == ""
