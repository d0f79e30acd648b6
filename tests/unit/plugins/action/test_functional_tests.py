from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.action import functional_tests
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

ARGUMENTS = {
    "command": "sh -c 'cat note; echo $STAGING_SERVER; exit 0'",
    "repository": "git@host:blog.git",
    "revision": "0123456789abcdef",
    "url": "http://staging.example.com",
}


class Action(functional_tests.ActionModule):
    """The action, as Ansible would have made it."""

    def __init__(self, check: bool = False, **different: Any) -> None:
        self._task: Any = SimpleNamespace(args={**ARGUMENTS, **different}, check_mode=check)


@pytest.fixture(autouse=True)
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What it shows; the clone has a note."""
    monkeypatch.setattr(ActionBase, "run", lambda *_: None)
    monkeypatch.setenv("GIT_DIR", "/of/another")
    lines: list[str] = []

    def check_out(repository: str, revision: str, folder: str) -> None:
        if revision == "gone":
            raise GreenroomError("It is gone.")
        Path(folder, "note").write_text(f"{revision} of {repository}\n")

    clone = SimpleNamespace(check_out=check_out)
    monkeypatch.setattr(functional_tests, "CLONES", {"git": clone})
    monkeypatch.setattr(functional_tests, "show", lines.append)
    return lines


def test_tests_that_pass(said: list[str]) -> None:
    result = Action().run()
    assert (result["result"], result["command"]) == ("passed", ARGUMENTS["command"])
    assert result["how"] == "ended with 0 after 0 s"
    assert said[1:] == ["  0123456789abcdef of git@host:blog.git\n", "  staging.example.com\n"]


def test_tests_that_fail_are_a_result() -> None:
    result = Action(command="sh -c 'exit 4'").run()
    assert (result["result"], result["how"]) == ("failed", "ended with 4 after 0 s")
    assert not result.get("failed")


def test_a_hook_of_another_repository_is_not_passed_on(said: list[str]) -> None:
    Action(command="sh -c 'echo ${GIT_DIR-none}'").run()
    assert said[1:] == ["  none\n"]
    assert "GIT_DIR" in os.environ


def test_a_rehearsal_runs_nothing(said: list[str]) -> None:
    assert Action(check=True, revision="gone").run() == {"changed": False}
    assert said == [f"Would run {ARGUMENTS['command']!r} of gone against {ARGUMENTS['url']}."]


@pytest.mark.parametrize(
    ("different", "why"),
    [
        ({"revision": ""}, "Nothing serves that could be tested: deploy first."),
        ({"revision": "gone"}, "It is gone."),
        ({"command": "./run"}, "app_functional_tests is './run', and ./run cannot be run on this"),
    ],
)
def test_what_cannot_be_tested(different: dict[str, Any], why: str) -> None:
    result = Action(**different).run()
    assert result["failed"]
    assert result["msg"].startswith(why)
