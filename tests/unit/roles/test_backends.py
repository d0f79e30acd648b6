"""A backend is a file in each folder named after its question, and a line in a registry."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._database import DATABASES
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._push import KINDS
from ansible_collections.greenroom.django.plugins.module_utils._registry import get, in_words
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES
from ansible_collections.greenroom.django.plugins.module_utils._web_server import WEB_SERVERS
from ansible_collections.greenroom.django.plugins.plugin_utils._clone import CLONES
from ansible_collections.greenroom.django.plugins.plugin_utils._engine import documentation
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems

from tests.unit.roles.project import MODULES, ROOT, options_of_role

REGISTRIES: dict[str, dict[str, Any]] = {
    "database": DATABASES,
    "service_manager": MANAGERS,
    "source_control": SOURCES,
    "web_server": WEB_SERVERS,
}


def test_the_folders_named_after_a_question_are_known() -> None:
    folders = {path.name for path in ROOT.glob("roles/*/tasks/*") if path.is_dir()}
    assert folders == {*REGISTRIES, "timer"}


@pytest.mark.parametrize(("question", "registry"), REGISTRIES.items())
def test_the_answers_are_the_files_that_are_there(question: str, registry: dict[str, Any]) -> None:
    for folder in ROOT.glob(f"roles/*/tasks/{question}"):
        assert sorted(path.stem for path in folder.glob("*.yml")) == sorted(registry)


@pytest.mark.parametrize(("question", "registry"), REGISTRIES.items())
def test_the_registry_alone_says_what_a_setting_can_be(
    question: str, registry: dict[str, Any]
) -> None:
    name = f"app_{question}"
    option = options_of_role("app")[name]
    assert "choices" not in option
    assert [problems({name: word}, {name: option}) for word in registry] == [[]] * len(registry)
    said = problems({name: "pigeon"}, {name: option})
    assert said == [f"{name} is 'pigeon'; it should be {in_words(registry)}."]


def test_every_source_control_can_be_cloned_and_pushed() -> None:
    files = {path.stem for path in ROOT.glob("plugins/plugin_utils/_clone/*.py")} - {"__init__"}
    assert CLONES.keys() == SOURCES.keys() == KINDS.keys() == files


@pytest.mark.parametrize("name", MODULES)
def test_no_module_repeats_a_registry(name: str) -> None:
    options = documentation(name)["options"]
    for question, registry in REGISTRIES.items():
        if options.get(question, {}).get("default"):  # without one, it is no setting
            assert options[question]["default"] == next(iter(registry))
            assert "choices" not in options[question]


def test_one_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert get({"a": 1, "b": 2}, "letter", "b") == 2
    with pytest.raises(GreenroomError, match=r"^letter is 'x'; it should be a, b or c\.$"):
        get({"a": 1, "b": 2, "c": 3}, "letter", "x")
    assert in_words(["a"]) == "a"


def test_choices_of_modules_are_those_of_the_settings() -> None:
    settings = options_of_role("app")
    for name, option, setting in (
        ("virtualenv", "installer", "app_installer"),
        ("django_prepare", "steps", "app_django_steps"),
    ):
        options = documentation(name)["options"]
        assert options[option]["choices"] == settings[setting]["choices"]
