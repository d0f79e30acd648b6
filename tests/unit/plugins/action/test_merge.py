from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.action import merge
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.plugin_utils._merged import Merged

ARGUMENTS = {"repository": "/srv/git/blog.git", "branch": "feature-x", "into": "live"}
COMMITS = ["abc1234 A feature", "def5678 Its start"]


class Action(merge.ActionModule):
    """The action, as Ansible would have made it."""

    def __init__(self, check: bool) -> None:
        self._task: Any = SimpleNamespace(args=ARGUMENTS, check_mode=check)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the person at the terminal is shown."""
    monkeypatch.setattr(ActionBase, "run", lambda *_: None)
    lines: list[str] = []
    monkeypatch.setattr(merge, "show", lines.append)
    return lines


@pytest.mark.parametrize(
    ("changed", "check", "sentence"),
    [
        (
            True,
            False,
            "Merged feature-x into live, and pushed it as 0123456789:\n"
            "  abc1234 A feature\n  def5678 Its start",
        ),
        (
            True,
            True,
            "Would merge feature-x into live, and push it:\n"
            "  abc1234 A feature\n  def5678 Its start",
        ),
        (False, False, "feature-x is in live already."),
        (False, True, "feature-x is in live already."),
    ],
)
def test_it_says_what_it_did(
    monkeypatch: pytest.MonkeyPatch, said: list[str], changed: bool, check: bool, sentence: str
) -> None:
    asked: list[Any] = []

    def git(*arguments: str, push: bool) -> Merged:
        asked.append((*arguments, push))
        return Merged("0123456789abcdef", changed, COMMITS if changed else [])

    monkeypatch.setattr(merge, "CLONES", {"git": SimpleNamespace(merge=git)})
    assert Action(check).run() == {
        "changed": changed,
        "revision": "0123456789abcdef",
        "commits": COMMITS if changed else [],
    }
    assert asked == [("/srv/git/blog.git", "feature-x", "live", not check)]
    assert said == [sentence]


def test_it_says_why_not(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    def refuse(*_: str, push: bool) -> Merged:
        raise GreenroomError(f"They don't go together, {push}.")

    monkeypatch.setattr(merge, "CLONES", {"git": SimpleNamespace(merge=refuse)})
    assert Action(False).run() == {"failed": True, "msg": "They don't go together, True."}
    assert said == []
