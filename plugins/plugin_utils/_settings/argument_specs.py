# PRIVATE to the collection: settings against the types in the roles' argument specs.
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._environment import kind_of
from ansible_collections.greenroom.django.plugins.module_utils._registry import in_words
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    Check,
    is_boolean,
    is_list,
    is_one_line,
    one_of,
    shown,
    trap,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.rules import (
    RULES,
    RULES_OF_ITEMS,
)

_is_of_type: dict[str, Check] = {
    "str": lambda value: isinstance(value, (str, int)) and not isinstance(value, bool),
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
# Lines of a web server's own.
_OF_SEVERAL_LINES = ("web_server_extra", "balancer_extra")


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
        if problem := _problem_of_type(name, settings[name], option):
            found[name] = problem
    return found


def _problem_of_type(name: str, value: Any, option: Mapping[str, Any]) -> str:
    """What is wrong with one value; of a secret, no more than its type."""
    kind, choices = option.get("type", "str"), option.get("choices")
    is_right = _is_of_type.get(kind, lambda _: True)  # "raw" is looked at by rules of its own
    should = RULES[name][0] if name in RULES else _type_in_words.get(kind, kind)
    if choices and kind == "list":
        should = f"a list of {', '.join(choices)}"
        if is_list(value) and (wrong := [item for item in value if item not in choices]):
            return f"{name} has {', '.join(map(shown, wrong))}; it should be {should}.{trap(wrong)}"
    elif choices:
        should = in_words(choices)
        is_right = one_of(*choices)
    if not is_right(value):
        what = f"of type {kind_of(value)}" if option.get("no_log") else shown(value)
        return f"{name} is {what}; it should be {should}.{trap([value]) if kind == 'str' else ''}"
    if kind == "str" and name not in (*RULES, *_OF_SEVERAL_LINES) and not is_one_line(value):
        return (
            f"{name} has a line end or another control character in it; it should be one line. "
            "(In YAML, | and > bring a line end along: |- and >- do not.)"
        )
    return ""
