# PRIVATE to the collection: the page that visitors get while an app cannot be shown.
#
# nginx looks for one file at every request that would go to the app, so nothing is reloaded. The
# green room is not affected.
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._files import remove, write_file


def is_on(app: App) -> bool:
    """Whether visitors get that page."""
    return os.path.lexists(app.maintenance)


def switch_on(app: App, why: str) -> None:
    """Have the web server answer 503 from now on. ``why`` is for those who find the file."""
    write_file(app.maintenance, f"{why}\n", mode=0o640)


def switch_off(app: App) -> None:
    """Have the web server ask the app again."""
    remove(app.maintenance)


@contextmanager
def maintenance(app: App, why: str) -> Iterator[None]:
    """Maintenance for as long as the block lasts, however it ends."""
    switch_on(app, why)
    try:
        yield
    finally:
        switch_off(app)
