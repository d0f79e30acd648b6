# PRIVATE to the collection: what every module does around its own step.
from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._environment import without_secrets
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._lock import MARK, Lock
from ansible_collections.greenroom.django.plugins.module_utils._text import (
    message,
    printable_values,
)


def run_module(
    options: dict[str, Any],
    act: Callable[[dict[str, Any], bool], dict[str, Any]],
    in_a_run: bool = True,
) -> None:
    """Run ``act(params, check_mode)`` as an Ansible module; what it returns is the module's result.

    What it says is shown with its control characters escaped: it may quote an app or a build.
    ``options`` is the argument spec. A GreenroomError becomes the failure's message, its details
    beside it; so does a disk that takes no more. A step of a run works only while the run holds
    the app's lock; a module that is none of those steps says that it is not ``in_a_run``.
    """
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    try:
        holds = in_a_run and not module.check_mode
        with _step(module) if holds else nullcontext():
            result = act(module.params, module.check_mode)
        for warning in result.pop("warnings", []):
            module.warn(message(warning))
        module.exit_json(**printable_values(result))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
            raise  # no fault of the disk: Ansible shows where it came from
        module.fail_json(msg=f"The host's disk: {error.strerror}: {error.filename or 'a file'}.")
    except GreenroomError as error:
        text = without_secrets(str(error), _variables_of_release(module.params))
        module.fail_json(msg=message(text), **printable_values(error.details))


def _step(module: AnsibleModule) -> AbstractContextManager[None]:
    """The app's lock, held by a module as a step of the run that started it."""
    name = module._name.rpartition(".")[2]
    number = module.params.get("release") or module.params.get("number")
    lock = Lock(App(module.params["app"]).lock)
    return lock.step(os.environ.get(MARK, ""), f"{name} of release {number}" if number else name)


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
