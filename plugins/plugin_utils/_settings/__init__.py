# PRIVATE to the collection: what the settings of an app must look like.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.plugin_utils._settings.argument_specs import (
    problems_of_types,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    is_list,
    shown,
    trap,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.combinations import (
    problems_of_backends,
    problems_of_functional_tests,
    problems_of_merge,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.environment import (
    problems_of_environment,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.files import (
    problems_of_hooks,
    problems_of_local_settings,
    problems_of_shared_paths,
    problems_of_writable_paths,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.pages import (
    problems_of_pages,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.rules import (
    RULES,
    RULES_OF_ITEMS,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.site import (
    problems_of_domains,
    problems_of_media,
    problems_of_user,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.words import OPTIONS

# All that problems() looks at.
NAMES = [
    *RULES,
    *RULES_OF_ITEMS,
    *OPTIONS,
    "app_env",
    "app_environment",
    "app_hooks",
    "inventory_dir",
    "release_action",
    "web_server_serve_static",
]


def problems(
    settings: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[str]:
    """What is wrong with the settings, a sentence each; none where all is well.

    A sentence has the setting's name, what it is and what it should be; of a secret, never a value.
    ``options`` are those of the roles' argument specs: what is required, types and choices.
    """
    # checkout_rev is what rev or app_branch is, of which each is looked at itself.
    settings = {name: value for name, value in settings.items() if name != "checkout_rev"}
    mistyped = problems_of_types(settings, {**OPTIONS, **(options or {})})
    settings = {name: value for name, value in settings.items() if name not in mistyped}
    found = list(mistyped.values())
    for name, (should, is_right) in RULES.items():
        if name in settings and not is_right(settings[name]):
            found.append(f"{name} is {shown(settings[name])}; it should be {should}.")
    for name, (should, is_right) in RULES_OF_ITEMS.items():
        items = settings.get(name, [])
        if not is_list(items):
            found.append(f"{name} is {str(items)!r}; it should be a list of {should}.")
            continue
        wrong = [item for item in items if not is_right(item)]
        if wrong:
            found.append(
                f"{name} has {', '.join(shown(item) for item in wrong)}; "
                f"it should be a list of {should}.{trap(wrong)}"
            )
    if settings.get("push_keys") == []:
        found.append(
            "push_keys is empty, and you have no key of your own in ~/.ssh; it should be a list of "
            f"{RULES_OF_ITEMS['push_keys'][0]}."
        )
    return (
        found
        + problems_of_domains(settings)
        + problems_of_shared_paths(settings)
        + problems_of_user(settings)
        + problems_of_media(settings)
        + problems_of_writable_paths(settings)
        + problems_of_backends(settings)
        + problems_of_merge(settings)
        + problems_of_functional_tests(settings)
        + problems_of_pages(settings.get("app_smoke_pages", []))
        + problems_of_local_settings(settings)
        + problems_of_environment(settings.get("app_env", {}))
        + problems_of_hooks(settings.get("app_hooks", {}), settings.get("inventory_dir"))
    )
