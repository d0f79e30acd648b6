from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.rules import (
    RULES,
)

OPTIONS: dict[str, dict[str, Any]] = {
    "app_name": {"type": "str", "required": True},
    "count": {"type": "int"},
    "yes": {"type": "bool"},
    "names": {"type": "list"},
    "table": {"type": "dict"},
    "which": {"type": "str", "choices": ["uv", "pip"]},
    "token": {"type": "str", "no_log": True},
    "any": {"type": "raw"},
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 5),
        ("count", "5"),
        ("count", -1),
        ("yes", True),
        ("yes", "no"),
        ("yes", "True"),
        ("yes", 1),
        ("names", []),
        ("names", ("a",)),
        ("table", {}),
        ("which", "pip"),
        ("any", 1.5),
        ("token", "s3cret"),
        ("token", 5),
    ],
)
def test_a_value_of_its_type(name: str, value: Any) -> None:
    assert problems({"app_name": "blog", name: value}, OPTIONS) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("count", "five", "count is 'five'; it should be a whole number."),
        ("count", 1.5, "count is '1.5'; it should be a whole number."),
        ("count", True, "count is 'True'; it should be a whole number."),
        ("yes", "maybe", "yes is 'maybe'; it should be yes or no."),
        ("names", "a", "names is 'a'; it should be a list."),
        ("names", {"a": 1}, "names is \"{'a': 1}\"; it should be a list."),
        ("table", ["a"], "table is \"['a']\"; it should be a dictionary."),
        ("which", "poetry", "which is 'poetry'; it should be uv or pip."),
        ("token", ["s3cret"], "token is of type list; it should be a string."),
        ("token", {"s3cret": 1}, "token is of type dict; it should be a string."),
        ("app_name", None, f"app_name is 'None'; it should be {RULES['app_name'][0]}."),
    ],
)
def test_a_value_of_another_type(name: str, value: Any, said: str) -> None:
    assert problems({"app_name": "blog", name: value}, OPTIONS) == [said]


def test_what_is_required() -> None:
    assert problems({}, OPTIONS) == [f"app_name is not set; it should be {RULES['app_name'][0]}."]
