from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.modules import restart

from tests.unit.conftest import defaults_of


class Services:
    """Stands in for a service manager under which some releases run."""

    def __init__(self, *running: int) -> None:
        self.up, self.restarts = list(running), 0

    def running(self) -> list[int]:
        return self.up

    def restart(self) -> None:
        self.restarts += 1


@pytest.mark.parametrize(
    ("running", "check", "restarts"), [([], False, 0), ([41, 42], False, 1), ([42], True, 0)]
)
def test_what_runs_is_restarted(
    monkeypatch: pytest.MonkeyPatch, running: list[int], check: bool, restarts: int
) -> None:
    services = Services(*running)
    asked: list[Any] = []

    def service_of(app: App, manager: str) -> Services:
        asked.append((app.name, manager))
        return services

    monkeypatch.setattr(restart, "service_of", service_of)
    params = {**defaults_of(restart), "app": "blog", "service_manager": "supervisor"}
    result = restart.restart(params, check)
    assert result == {"changed": bool(running), "restarted": running}
    assert services.restarts == restarts
    assert asked == [("blog", "supervisor")]
