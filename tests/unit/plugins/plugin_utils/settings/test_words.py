from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.names import own_names
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.words import (
    WORDS,
    playbooks_of,
    problems_of_words,
)
from jinja2 import Environment, TemplateSyntaxError, meta

from tests.unit.roles.project import ROLES, ROOT, load, options_of_role

# What Ansible itself defines.
OF_ANSIBLE = re.compile(
    r"ansible_\w+|groups|group_names|hostvars|inventory_\w+|item|omit|lookup|query|q|playbook_dir"
    r"|role_path|template_\w+|undef"
)
CONDITIONS = ("when", "changed_when", "failed_when", "until", "that", "var")


def expressions(node: Any, key: str = "") -> Iterator[str]:
    """Every text with Jinja in it of a piece of YAML; a condition is one without braces."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from expressions(value, name)
    elif isinstance(node, list):
        for item in node:
            yield from expressions(item, key)
    elif isinstance(node, str):
        yield "{{ " + node + " }}" if key in CONDITIONS and "{{" not in node else node


class Anything(dict[str, Any]):
    """Has every filter and test: which there are is not the question here."""

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> Any:
        return bool

    def get(self, *_: Any) -> Any:
        return bool


JINJA = Environment()
JINJA.filters = JINJA.tests = Anything()


def read_in(text: str) -> set[str]:
    """The variables that a text reads."""
    try:
        return set(meta.find_undeclared_variables(JINJA.parse(text)))
    except TemplateSyntaxError:
        assert "{{" not in text, text
        return set()  # a program, such as awk's {#


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # in programs among the texts
def test_the_words_are_what_playbooks_and_roles_read_and_nobody_sets() -> None:
    read: set[str] = set()
    for pattern in ("playbooks/**/*.yml", *(f"roles/*/{name}/**/*.yml" for name in FOLDERS)):
        for path in ROOT.glob(pattern):
            for text in expressions(load(path)):
                read |= read_in(text)
    for path in ROOT.glob("roles/*/templates/**/*.j2"):
        text = path.read_text()
        read |= read_in(text) - set(re.findall(r"{%-? *(?:set|for) (\w+)", text))
    settings = {name for role in ROLES for name in options_of_role(role)}
    unknown = {name for name in read - settings - own_names() if not OF_ANSIBLE.fullmatch(name)}
    # Of some words the playbooks give a value to a role themselves.
    assert unknown == WORDS.keys() - own_names()
    assert read > WORDS.keys()


FOLDERS = ("tasks", "handlers", "vars", "defaults")


def test_the_playbooks_that_take_them_are_there() -> None:
    names = {path.stem for path in ROOT.glob("playbooks/*.yml")}
    assert {name for playbooks in WORDS.values() for name in playbooks} <= names


@pytest.mark.parametrize(
    ("playbook", "typed", "said"),
    [
        (
            "rollback",
            {"merge": "x"},
            "merge is 'x', and rollback.yml takes none; it is for deploy.yml.",
        ),
        (
            "promote",
            {"rev": "x"},
            "rev is 'x', and promote.yml takes none; it is for dep",
        ),
        ("rollback", {"rev": "x", "wait": 5}, ""),
        ("deploy", {"rev": "x", "merge": ""}, ""),
        ("restore", {"rev": "x"}, "rev is 'x', and restore.yml takes none"),
        ("deploy", {"migrations": "reverse"}, "migrations is 'reverse', and deploy.yml takes none"),
        ("backup", {"snapshot": "x"}, "snapshot is 'x', and backup.yml takes none"),
        ("deploy", {"drop_replaced": True}, "drop_replaced is 'True', and deploy.yml takes none"),
        ("verify_deploy", {"rev": "x"}, ""),  # its own answer says more
        ("site", {"rev": "x"}, "rev is 'x', and site.yml takes none"),
    ],
)
def test_words_for_other_playbooks(playbook: str, typed: dict[str, Any], said: str) -> None:
    found = problems_of_words(typed, [playbook])
    assert "\n".join(found).startswith(said)
    assert len(found) == bool(said)


def test_of_several_playbooks_one_has_to_take_a_word() -> None:
    assert problems_of_words({"rev": "x"}, ["site", "deploy"]) == []
    assert problems_of_words({"rev": "x"}, []) == []  # a playbook of one's own


def test_the_playbooks_of_a_run() -> None:
    ours = [str(ROOT / "deploy.yml"), str(ROOT / "playbooks/site.yml"), "greenroom.django.status"]
    assert playbooks_of(ours) == ["deploy", "site", "status"]
    assert playbooks_of(["/tmp/deploy.yml", "localhost", "all"]) == []
