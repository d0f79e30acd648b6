# PRIVATE to the collection: what every module does around its own step.
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._lock import Lock


def run_module(
    options: dict[str, Any],
    act: Callable[[dict[str, Any], bool], dict[str, Any]],
    in_a_run: bool = True,
) -> None:
    """Run ``act(params, check_mode)`` as an Ansible module; what it returns is the module's result.

    ``options`` is the argument spec. A GreenroomError becomes the failure's message, its details
    beside it. A run that holds the app's lock shows with each of its steps that it is alive;
    a module that is none of those steps says that it is not ``in_a_run``.
    """
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    try:
        if in_a_run and not module.check_mode:
            Lock(App(module.params["app"]).lock).renew()
        module.exit_json(**act(module.params, module.check_mode))
    except GreenroomError as error:
        module.fail_json(msg=str(error), **error.details)
