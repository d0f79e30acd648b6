from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import maintenance


def test_it_ends_with_the_block(app: App) -> None:
    with maintenance(app, "the stage is being swept"):
        assert Path(app.maintenance).read_text() == "the stage is being swept\n"
    assert not os.path.exists(app.maintenance)


def test_however_that_ends(app: App) -> None:
    with pytest.raises(KeyboardInterrupt), maintenance(app, "x"):
        raise KeyboardInterrupt
    assert not os.path.exists(app.maintenance)
