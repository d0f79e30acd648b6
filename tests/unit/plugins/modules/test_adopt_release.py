"""What Apache ran itself is run by a service manager, before anything of Apache's changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.modules import adopt_release

PARAMS = {"app": "blog", "service_manager": "systemd"}


class Releases:
    """Stands in for Apache's own releases, and for a service manager's."""

    def __init__(self, told: list[str], running: list[int], enabled: list[int]) -> None:
        self.told, self.up, self.at_boot, self.there = told, running, enabled, True
        self.fails = self.runs_in_web_server = False

    def is_prepared(self) -> bool:
        return self.there

    def running(self) -> list[int]:
        return self.up

    def enabled(self) -> list[int]:
        return self.at_boot

    def start(self, number: int) -> None:
        if self.fails:
            raise GreenroomError("It did not start.")
        self.told.append(f"start {number}")

    def enable(self, number: int) -> None:
        self.told.append(f"enable {number}")

    def uninstall(self) -> None:
        self.there, self.at_boot = False, []
        self.told.append("uninstall")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    app = App("blog", root=str(tmp_path))
    os.makedirs(app.release(42))
    app.put_on_stage(42)
    monkeypatch.setattr(adopt_release, "App", lambda _: app)
    return app


@pytest.fixture
def apache(app: App, told: list[str], monkeypatch: pytest.MonkeyPatch) -> Releases:  # noqa: ARG001 - is on stage
    apache = Releases(told, [42, 41], [42])
    apache.runs_in_web_server = True
    monkeypatch.setattr(
        adopt_release, "previous_managers", lambda *_: [apache] if apache.is_prepared() else []
    )
    monkeypatch.setattr("time.sleep", lambda _: apache.up.clear())
    return apache


@pytest.fixture
def systemd(told: list[str], monkeypatch: pytest.MonkeyPatch) -> Releases:
    systemd = Releases(told, [], [])
    monkeypatch.setattr(adopt_release, "MANAGERS", {"systemd": lambda _: systemd})
    return systemd


@pytest.mark.usefixtures("systemd")
def test_the_current_release_runs_elsewhere_before_apache_is_left(
    apache: Releases, told: list[str]
) -> None:
    result = adopt_release.adopt_release(PARAMS, check_mode=True)
    assert (result, told) == ({"changed": True, "release": 42}, [])
    assert adopt_release.adopt_release(PARAMS, check_mode=False) == result
    assert told == ["start 42", "enable 42", "uninstall"]
    assert apache.running() == [], "it waited until they had left"
    assert not adopt_release.adopt_release(PARAMS, check_mode=False)["changed"]


@pytest.mark.usefixtures("systemd")
def test_an_apache_that_is_down(apache: Releases, told: list[str]) -> None:
    """Which may be why it is left."""
    apache.up = []
    adopt_release.adopt_release(PARAMS, check_mode=False)
    assert told == ["start 42", "enable 42", "uninstall"]


@pytest.mark.usefixtures("systemd")
def test_a_release_that_runs_elsewhere_already(apache: Releases, told: list[str]) -> None:
    """As when a host was told to use Apache, and told otherwise before the next deploy."""
    apache.up, apache.at_boot = [], []
    assert adopt_release.adopt_release(PARAMS, check_mode=False) == {"changed": True, "release": 0}
    assert told == ["uninstall"]


def test_one_that_does_not_start_leaves_all_as_it_is(
    apache: Releases, systemd: Releases, told: list[str]
) -> None:
    systemd.fails = True
    with pytest.raises(GreenroomError, match="It did not start"):
        adopt_release.adopt_release(PARAMS, check_mode=False)
    assert told == []
    assert apache.is_prepared()
