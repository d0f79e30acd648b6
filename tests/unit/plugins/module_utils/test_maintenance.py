from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _maintenance
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    close,
    is_on,
    switch_off,
)


class Service:
    """Releases that take a moment, or for ever, to finish."""

    def __init__(self, *up: int, moments: int = 2) -> None:
        self.up = list(up)
        self.moments = moments
        self.asked: list[int] = []

    def running(self) -> list[int]:
        if len(self.asked) == len(self.up):
            self.moments -= 1
        return [] if self.moments <= 0 else self.up

    def stop(self, number: int) -> None:
        self.asked.append(number)


def test_closing_waits_until_nothing_runs(app: App) -> None:
    service: Any = Service(6, 7)
    close(app, service, "the stage is being swept")
    assert Path(app.maintenance).read_text() == "the stage is being swept\n"
    assert (service.asked, service.running()) == ([6, 7], [])
    switch_off(app)
    assert not is_on(app)


def test_one_that_never_ends(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_maintenance, "STOPPING", 0.2)
    service: Any = Service(7, moments=1000)
    with pytest.raises(GreenroomError, match="Release 7 did not stop within"):
        close(app, service, "x")
