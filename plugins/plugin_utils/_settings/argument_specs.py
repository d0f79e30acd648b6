# PRIVATE to the collection: settings against the types in the roles' argument specs.
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._environment import kind_of
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    Check,
    is_boolean,
    is_list,
    shown,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.rules import (
    RULES,
    RULES_OF_ITEMS,
)

_is_of_type: dict[str, Check] = {
    "str": lambda value: isinstance(value, (str, int, float)),
    "int": lambda value: bool(re.fullmatch(r"-?[0-9]+", str(value))),
    "bool": is_boolean,
    "list": is_list,
    "dict": lambda value: isinstance(value, Mapping),
}
_type_in_words = {
    "str": "a string",
    "int": "a whole number",
    "bool": "yes or no",
    "list": "a list",
    "dict": "a dictionary",
}


def problems_of_types(
    settings: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """What an argument spec finds wrong, by the setting's name."""
    found = {}
    for name, option in options.items():
        if name not in settings:
            if option.get("required"):
                should = RULES.get(name, RULES_OF_ITEMS.get(name, ("set",)))[0]
                found[name] = f"{name} is not set; it should be {should}."
            continue
        value, kind = settings[name], option.get("type", "str")
        if "choices" in option and kind == "str":
            is_right, should = value in option["choices"], " or ".join(option["choices"])
        else:
            # A value of any kind ("raw") is looked at by rules of its own.
            is_right = _is_of_type.get(kind, lambda _: True)(value)
            should = RULES[name][0] if name in RULES else _type_in_words.get(kind, kind)
        if not is_right:
            what = f"of type {kind_of(value)}" if option.get("no_log") else shown(value)
            found[name] = f"{name} is {what}; it should be {should}."
    return found
