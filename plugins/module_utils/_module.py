# PRIVATE to the collection: what every module does around its own step.
from __future__ import annotations

import errno
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._environment import without_secrets
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._lock import MARK, Lock
from ansible_collections.greenroom.django.plugins.module_utils._text import (
    message,
    printable_values,
)


def run_module(
    act: Callable[[dict[str, Any], bool], dict[str, Any]], in_a_run: bool = True
) -> NoReturn:
    """Run ``act(params, check_mode)`` as a step; what it returns is the step's result.

    The request is a JSON object on standard input: ``params``, which the controller has validated
    by the module's documentation, and ``check_mode``. The result is a line of JSON. What it says is
    shown with its control characters escaped: it may quote an app or a build. A GreenroomError
    becomes the failure's message, its details beside it; so does a disk that takes no more. A step
    of a run works only while the run holds the app's lock; a module that is none of those steps
    says that it is not ``in_a_run``.
    """
    request = json.load(sys.stdin)
    params, check_mode = request["params"], request["check_mode"]
    try:
        holds = in_a_run and not check_mode
        with _step(act, params) if holds else nullcontext():
            result = printable_values(act(params, check_mode))
        if result.get("warnings"):
            result["warnings"] = [message(warning) for warning in result["warnings"]]
        _end({"changed": False, **result})
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
            where = error.filename or "a file"
            _fail(f"The host's disk: {error.strerror}: {where}.")
        _fail_unexpectedly(error, params)
    except GreenroomError as error:
        text = without_secrets(str(error), _variables_of_release(params))
        _fail(message(text), **printable_values(error.details))
    except Exception as error:
        _fail_unexpectedly(error, params)


def _fail_unexpectedly(error: Exception, params: dict[str, Any]) -> NoReturn:
    """A mistake of ours, with its traceback, which may quote an app or a build as well."""
    secrets = _variables_of_release(params)
    trace = without_secrets(traceback.format_exc(), secrets)
    text = without_secrets(f"{type(error).__name__}: {error}", secrets)
    _fail(message(text), exception=message(trace))


def _fail(text: str, **details: Any) -> NoReturn:
    _end({"failed": True, "msg": text, **details})


def _end(result: Mapping[str, Any]) -> NoReturn:
    """Print a result, in a line of its own, and end."""
    print("\n" + json.dumps(result), flush=True)
    sys.exit(1 if result.get("failed") else 0)


def _step(
    act: Callable[[dict[str, Any], bool], dict[str, Any]], params: Mapping[str, Any]
) -> AbstractContextManager[None]:
    """The app's lock, held by a step of the run that started it."""
    name = act.__module__.rpartition(".")[2]
    number = params.get("release") or params.get("number")
    lock = Lock(App(params["app"]).lock)
    return lock.step(os.environ.get(MARK, ""), f"{name}, release {number}" if number else name)


def _variables_of_release(params: dict[str, Any]) -> dict[str, str]:
    """What the release that a module works on was told: what the app says could quote it."""
    # Here, since a host compiles all that a module imports, and only a failure needs this.
    from ansible_collections.greenroom.django.plugins.module_utils._local_settings import (
        named_values,
    )

    try:
        return named_values(App(params["app"]), params["release"])
    except (KeyError, OSError, GreenroomError):
        return {}
