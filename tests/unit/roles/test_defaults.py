"""What can be set stands once in a role's defaults, and once in its argument spec."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.roles.project import ROLES, ROOT, of_role, options_of_role

TYPES = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict, "raw": object}


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_those_of_the_argument_spec(role: str) -> None:
    options = options_of_role(role)
    in_spec = {name: o["default"] for name, o in options.items() if not o.get("required")}
    assert in_spec == of_role(role, "defaults/main.yml")


@pytest.mark.parametrize("role", ROLES)
def test_required_ones_stand_in_the_defaults_as_comments(role: str) -> None:
    text = (ROOT / f"roles/{role}/defaults/main.yml").read_text()
    required = [name for name, option in options_of_role(role).items() if option.get("required")]
    assert re.findall(r"^# (\w+): Required\. [A-Z]", text, re.MULTILINE) == required


ALL = [(name, option) for role in ROLES for name, option in options_of_role(role).items()]


@pytest.mark.parametrize(("name", "option"), ALL, ids=[name for name, _ in ALL])
def test_an_option_is_described_in_full(name: str, option: dict[str, Any]) -> None:
    assert option["description"]
    assert option.keys() <= {
        "description",
        "type",
        "elements",
        "default",
        "choices",
        "required",
        "no_log",
    }
    kind = TYPES[option["type"]]
    if not option.get("required") and "{{" not in str(option["default"]):
        assert isinstance(option["default"], kind), name
    assert ("elements" in option) == (option["type"] == "list")


@pytest.mark.parametrize("role", ROLES)
def test_names_begin_with_the_roles(role: str) -> None:
    names = {*of_role(role, "defaults/main.yml"), *of_role(role, "vars/main.yml")}
    assert {name for name in names if not name.startswith(f"{role}_")} == set()


@pytest.mark.parametrize("role", ROLES)
def test_all_depend_on_the_shared_vocabulary_and_nothing_else(role: str) -> None:
    # The steps of a release are taken in plays that have the app role, a dozen of them in each.
    steps = ("release", "django", "balancer", "snapshot", "verify_deploy")
    dependencies = [] if role in ("app", *steps) else [{"role": "greenroom.django.app"}]
    assert of_role(role, "meta/main.yml")["dependencies"] == dependencies


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_readme_names_every_setting(role: str) -> None:
    text = (ROOT / f"roles/{role}/README.md").read_text()
    assert {name for name in options_of_role(role) if f"`{name}`" not in text} == set()
