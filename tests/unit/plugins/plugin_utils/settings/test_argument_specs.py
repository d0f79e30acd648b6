from __future__ import annotations

from datetime import date
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
    "motto": {"type": "str"},
    "steps": {"type": "list", "choices": ["check", "migrate"]},
}
CONTROL = (
    "has a line end or another control character in it; it should be one line. (In YAML, | and > "
    "bring a line end along: |- and >- do not.)"
)
TRUTH = "YAML reads yes, no, on, off, true and false as a truth value: put it in quotes.)"
NUMBER = "YAML reads it as a number, and drops zeros at its end: put it in quotes.)"
DATE = "YAML reads it as a date: put it in quotes.)"
NULL = "YAML reads null, ~ and nothing as no value: leave it out, or give it one.)"


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
        ("token", "s3cret\n", f"token {CONTROL}"),
        ("motto", "a\nb", f"motto {CONTROL}"),
        ("motto", "\x1b[2J", f"motto {CONTROL}"),
        ("token", 1.5, f"token is of type float; it should be a string. ({NUMBER}"),
        ("motto", True, f"motto is 'True'; it should be a string. ({TRUTH}"),
        ("motto", 3.10, f"motto is '3.1'; it should be a string. ({NUMBER}"),
        ("motto", date(2026, 1, 2), f"motto is '2026-01-02'; it should be a string. ({DATE}"),
        ("which", False, f"which is 'False'; it should be uv or pip. ({TRUTH}"),
        ("app_name", None, f"app_name is 'None'; it should be {RULES['app_name'][0]}. ({NULL}"),
        ("rev", True, f"rev is 'True'; it should be {RULES['rev'][0]}. ({TRUTH}"),
        ("rev", 1.10, f"rev is '1.1'; it should be {RULES['rev'][0]}. ({NUMBER}"),
        ("steps", ["check", "x"], "steps has 'x'; it should be a list of check, migrate."),
        ("steps", [None], f"steps has 'None'; it should be a list of check, migrate. ({NULL}"),
        ("steps", "check", "steps is 'check'; it should be a list of check, migrate."),
    ],
)
def test_a_value_of_another_type(name: str, value: Any, said: str) -> None:
    assert problems({"app_name": "blog", name: value}, OPTIONS) == [said]


def test_what_is_required() -> None:
    assert problems({}, OPTIONS) == [f"app_name is not set; it should be {RULES['app_name'][0]}."]
