from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.greenroom.django.plugins.filter.environment import (
    FilterModule,
    environment_file,
    environment_hosts,
    local_settings_template,
    pages_of_the_app,
    python,
)

STAGING: dict[str, Any] = {
    "all": ["s1", "s2", "db1"],
    "ungrouped": [],
    "staging": ["s1", "s2"],
    "web": ["s2", "elsewhere"],
    "db": ["db1"],
}


def test_the_names() -> None:
    assert FilterModule().filters() == {
        "environment_hosts": environment_hosts,
        "environment_file": environment_file,
        "local_settings_template": local_settings_template,
        "pages_of_the_app": pages_of_the_app,
        "python": python,
    }


def test_the_template_of_the_local_settings() -> None:
    assert local_settings_template("mine.j2", "/etc/ansible") == "/etc/ansible/mine.j2"
    assert local_settings_template("/srv/mine.j2", "/etc/ansible") == "/srv/mine.j2"
    assert Path(local_settings_template("", "/etc/ansible")).read_text().startswith("{{ ansible_m")


class Tagged(str):
    """A text as Ansible has it."""

    def __repr__(self) -> str:
        return "Tagged"


@pytest.mark.parametrize(
    "value",
    ['it\'s "quoted"\n\\ 🐎', "", 5, 1.5, True, None, ["a", {"b": False}], {"a": {"b": ["c"]}}],
)
def test_values_as_python_writes_them(value: Any) -> None:
    assert ast.literal_eval(python(value)) == value


def test_texts_of_ansible_as_python_writes_them() -> None:
    assert python([Tagged("a")]) == "['a']"
    with pytest.raises(AnsibleFilterError, match=r"^A value of type set cannot be written as Pyt"):
        python({"s3cret"})


@pytest.mark.parametrize(
    ("groups", "target", "pattern"),
    [
        (STAGING, "", "staging"),
        ({"live": ["l1"]}, "", "live"),
        ({"live": ["l1"], "staging": []}, "", "live"),
        (STAGING, "s1", "staging:&s1"),
        (STAGING, "web", "staging:&web"),
        (STAGING, "staging", "staging:&staging"),
        (STAGING, "all", "staging:&all"),
    ],
)
def test_the_hosts_of_the_environment(groups: Any, target: str, pattern: str) -> None:
    assert environment_hosts(groups, target) == pattern


GIVE = "Give one with -i, such as inventories/staging, with at least one host in the group"


@pytest.mark.parametrize(
    ("groups", "target", "said"),
    [
        ({}, "", "no host to work on: it has neither a group staging nor a group live. " + GIVE),
        ({"web": ["w1"]}, "", "it has neither a group staging nor a group live. " + GIVE),
        ({"staging": []}, "", "no host to work on: its group staging is empty. " + GIVE),
        ({"live": []}, "", "no host to work on: its group live is empty. " + GIVE),
        ({"staging": ["a"], "live": ["b"]}, "", "has hosts in both groups, staging and live. One"),
        (STAGING, "s3", "target is 's3', which is no host or group in staging. There are: s1, s2."),
        (STAGING, "db", "target is 'db', which is no host or group in staging. There are: s1, s2."),
        (STAGING, "db1", "target is 'db1', which is no host or group in staging."),
        (STAGING, "ungrouped", "target is 'ungrouped', which is no host or group in staging."),
    ],
)
def test_no_hosts_is_never_a_success(groups: Any, target: str, said: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        environment_hosts(groups, target)
    assert said in str(refused.value)


BOTH: dict[str, Any] = {
    "all": ["s1", "l1", "l2"],
    "staging": ["s1"],
    "live": ["l1", "l2"],
    "web": ["l2"],
}


@pytest.mark.parametrize(
    ("target", "environment", "pattern"),
    [
        ("", "staging", "staging"),
        ("", "live", "live"),
        ("l2", "live", "live:&l2"),
        ("web", "live", "live:&web"),
    ],
)
def test_the_hosts_of_one_of_two_environments(target: str, environment: str, pattern: str) -> None:
    assert environment_hosts(BOTH, target, environment) == pattern
    assert environment_hosts(BOTH, target, environment=environment) == pattern


CALL = " Give both: -i inventories/staging -i inventories/live"


@pytest.mark.parametrize(
    ("groups", "environment", "said"),
    [
        (
            STAGING,
            "staging",
            "environments, and the inventory has no host in the group live." + CALL,
        ),
        (STAGING, "live", "has no host in the group live." + CALL),
        ({"live": ["l1"], "staging": []}, "live", "no host in the group staging." + CALL),
        ({}, "live", "no host in the group staging and none in the group live." + CALL),
        ({"staging": ["a", "b"], "live": ["b"]}, "live", "b is in both groups, staging and live"),
        ({"staging": ["a", "b"], "live": ["b", "a"]}, "live", "a, b are in both groups"),
        (BOTH, "test", "environment is 'test'; it should be staging or live, or empty."),
    ],
)
def test_two_environments_that_are_not_two(groups: Any, environment: str, said: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        environment_hosts(groups, environment=environment)
    assert said in str(refused.value)


def test_the_target_is_in_the_environment() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^target is 'l1', which is no host or group in"):
        environment_hosts(BOTH, "l1", "staging")


def test_the_pages_of_the_app() -> None:
    its: Any = {"path": "/a/", "status": 404}
    other: Any = {"path": "/b/", "green_room": "yes"}
    pages = [
        its,
        {"path": "/static/a.css"},
        {"path": "/media/a.png"},
        {"url": "https://www.example.com/a/"},
        {"path": "/login/", "green_room": False},
        {"path": "/login/", "green_room": "no"},
        other,
    ]
    assert pages_of_the_app(pages, ["/static/", "/media/"]) == [its, other]


def test_the_environment_file() -> None:
    assert environment_file({"B": 'it\'s "so"', "A": "$1"}) == 'A="\\$1"\nB="it\'s \\"so\\""\n'


def test_a_value_is_never_in_the_message() -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        environment_file({"A": ["s3cret"]})  # type: ignore[dict-item]
    assert (
        str(refused.value) == "app_env.A is of type list; it should be a string: put it in quotes."
    )
    assert refused.value.__cause__ is None
