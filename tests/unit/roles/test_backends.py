"""A backend is a file, a line in a register, and one word in each list of choices."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES
from ansible_collections.greenroom.django.plugins.plugin_utils._clone import CLONES

from tests.unit.roles.project import MODULES, ROOT, module, options_of_role

REGISTERS: dict[str, dict[str, Any]] = {"service_manager": MANAGERS, "source_control": SOURCES}


def test_the_folders_named_after_a_question_are_known() -> None:
    folders = {path.name for path in ROOT.glob("roles/*/tasks/*") if path.is_dir()}
    assert folders == {*REGISTERS, "database"}


@pytest.mark.parametrize(("question", "register"), REGISTERS.items())
def test_the_answers_are_the_files_that_are_there(question: str, register: dict[str, Any]) -> None:
    choices = options_of_role("app")[f"app_{question}"]["choices"]
    for folder in ROOT.glob(f"roles/*/tasks/{question}"):
        assert sorted(choices) == sorted(path.stem for path in folder.glob("*.yml"))
    assert sorted(choices) == sorted(register)


def test_the_controller_can_clone_what_every_source_control_has() -> None:
    files = {path.stem for path in ROOT.glob("plugins/plugin_utils/_clone/*.py")} - {"__init__"}
    assert CLONES.keys() == SOURCES.keys() == files


def test_the_databases_are_the_files_that_are_there() -> None:
    """They are made by tasks alone: no module knows of them, so there is no register."""
    files = [path.stem for path in ROOT.glob("roles/database/tasks/database/*.yml")]
    assert sorted(options_of_role("app")["app_database"]["choices"]) == sorted(files)


@pytest.mark.parametrize("name", MODULES)
def test_a_modules_choices_are_the_register(name: str) -> None:
    options = getattr(module(name), "OPTIONS", {})
    for question, register in REGISTERS.items():
        if question in options:
            assert options[question]["choices"] == list(register)
            assert options[question]["default"] in register


def test_choices_of_modules_are_those_of_the_settings() -> None:
    settings = options_of_role("app")
    assert (
        module("virtualenv").OPTIONS["installer"]["choices"] == settings["app_installer"]["choices"]
    )
    assert module("manage").OPTIONS["steps"]["choices"] == settings["app_django_steps"]["choices"]
