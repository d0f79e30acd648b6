# PRIVATE to the collection: a Django start of a release, with its own Python and variables.
from __future__ import annotations

import inspect
import json
import os
import secrets
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._command import run, tail
from ansible_collections.greenroom.django.plugins.module_utils._environment import load_environment
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import read_file
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import app_sandbox

# The manifest of a release, in its folder backstage: what the steps after its making need to know.
MANIFEST = "release.json"


def read_manifest(app: App, number: int) -> dict[str, Any]:
    """The manifest of release ``number``. Raises GreenroomError where it has none."""
    try:
        with app.open_backstage(number) as backstage:
            manifest: dict[str, Any] = json.loads(backstage.read(MANIFEST))
    except (OSError, ValueError) as error:
        raise GreenroomError(
            f"Release {number} has no manifest that can be read ({error}). Deploy again."
        ) from error
    return manifest


def variables_of(app: App, number: int) -> dict[str, str]:
    """The environment of release ``number``, as its service has it.

    What names the database is the app's, and not a release's: a password that was changed must
    reach the older releases too. A release's own variables win.
    """
    variables: dict[str, str] = {}
    for path in (app.database_environment, app.environment(number)):
        if os.path.exists(path):
            variables.update(load_environment(read_file(path)))
    return variables


def start_django(
    app: App,
    number: int,
    manifest: dict[str, Any],
    request: dict[str, Any],
    timeout: float,
    process: ModuleType | None = None,
    writable: Sequence[str] = (),
) -> Any:
    """Run ``process`` (_django_process) with a ``request`` in the release's Python; its answer.

    ``request["steps"]`` names what it does, for the message. ``timeout`` is in seconds;
    ``writable`` are folders that it writes to, besides those of the app.
    Raises GreenroomError with the app's own words when it does not get through.
    """
    # Here, since a host compiles all that a module imports, and most steps start no Django.
    from ansible_collections.greenroom.django.plugins.module_utils import _django_process
    from ansible_collections.greenroom.django.plugins.module_utils._database import traits

    token = secrets.token_hex(8)
    python = os.path.join(app.release(number), ".venv", "bin", "python")
    sandbox = app_sandbox(app).writing(*writable)
    result = run(
        [python, "-", json.dumps({**request, "kinds": traits(), "token": token})],
        user=sandbox,
        cwd=os.path.join(app.release(number), manifest["directory"]),
        environment={
            **variables_of(app, number),
            "DJANGO_SETTINGS_MODULE": manifest["settings_module"],
        },
        stdin=inspect.getsource(process or _django_process),
        timeout=timeout,
        umask=0o027,  # what it creates is data, and as private as what the service creates
    )
    said, answered, answer = result.stdout.rpartition(f"\n{token}")
    if result.returncode != 0 or not answer:
        output = said if answered else result.stdout  # never the answer: it may name a password
        doing = ", ".join(request["steps"]) or "the settings"
        raise GreenroomError(
            f"Django did not get through {doing} of release {number} (exit {result.returncode}). "
            f"The app's own words:\n{tail(output + result.stderr)}"
        )
    found = json.loads(answer)
    if "refusal" in found:
        raise GreenroomError(found["refusal"], **found.get("details", {}))
    return found
