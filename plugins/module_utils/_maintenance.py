# PRIVATE to the collection: the page that visitors get while an app cannot be shown.
#
# The web server looks for one file at every request that would go to the app, so nothing is
# reloaded. The green room is not affected.
from __future__ import annotations

import os
import time

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove, write_file
from ansible_collections.greenroom.django.plugins.module_utils._service import Service

STOPPING = 600  # seconds; the unit itself gives up earlier


def is_on(app: App) -> bool:
    """Whether visitors get that page."""
    return os.path.lexists(app.maintenance)


def switch_on(app: App, why: str) -> None:
    """Have the web server answer 503 from now on. ``why`` is for those who find the file."""
    write_file(app.maintenance, f"{why}\n", mode=0o640)


def switch_off(app: App) -> None:
    """Have the web server ask the app again."""
    remove(app.maintenance)


def close(app: App, service: Service, why: str) -> None:
    """Have visitors get that page, every release end, and wait for that.

    Nothing of the app writes to its databases afterwards. Raises GreenroomError.
    """
    switch_on(app, why)
    for number in service.running():
        service.stop(number)
    deadline = time.monotonic() + STOPPING
    while service.running():
        if time.monotonic() > deadline:
            raise GreenroomError(
                f"Release {service.running()[0]} did not stop within {STOPPING} seconds."
            )
        time.sleep(0.1)
