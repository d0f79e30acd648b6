# PRIVATE to the collection: what every module does around its own step.
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock


def run_module(
    options: dict[str, Any], act: Callable[[dict[str, Any], bool], dict[str, Any]], **more: Any
) -> NoReturn:
    """Run ``act(params, check_mode)`` as an Ansible module; what it returns is the module's result.

    ``options`` is the argument spec. A GreenroomError becomes the failure's message, its details beside it.
    A run that holds the app's lock shows with each of its steps that it is alive.
    """
    module = AnsibleModule(argument_spec=options, supports_check_mode=True, **more)
    try:
        if "token" not in options:  # the one that has still to get the lock must not renew another's
            Lock(App(module.params["app"]).lock).renew()
        module.exit_json(**act(module.params, module.check_mode))
    except GreenroomError as error:
        module.fail_json(msg=str(error), **error.details)
