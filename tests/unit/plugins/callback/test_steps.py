from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.callback import steps


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the callback has shown."""
    lines: list[str] = []
    monkeypatch.setattr(steps, "show", lines.append)
    return lines


def task(name: str, action: str = "ansible.builtin.command") -> Any:
    return SimpleNamespace(name=name, action=action)


def result(**said: Any) -> Any:
    return SimpleNamespace(_result=said)


def test_a_step_is_shown_once_when_it_has_ended(shown: list[str]) -> None:
    callback = steps.CallbackModule()
    callback.v2_playbook_on_task_start(task("Create release 3"), False)
    assert shown == []
    callback.v2_runner_on_ok(result())
    callback.v2_runner_on_ok(result())  # on another host
    assert shown == ["-----> Create release 3"]


def test_what_is_skipped_is_not(shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LONG", 0.05)
    callback = steps.CallbackModule()
    callback.v2_playbook_on_task_start(task("Apply pending migrations"), False)
    callback.v2_playbook_on_task_start(
        task("Take the lock", "ansible.builtin.include_tasks"), False
    )
    callback.v2_runner_on_ok(result())
    time.sleep(0.2)
    assert shown == []


def test_a_long_step_is_shown_before_it_has_ended(
    shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "LONG", 0.01)
    callback = steps.CallbackModule()
    callback.v2_playbook_on_task_start(task("Build the virtualenv"), False)
    deadline = time.monotonic() + 10
    while not shown and time.monotonic() < deadline:
        time.sleep(0.01)
    assert shown == ["-----> Build the virtualenv"]
    callback.v2_runner_on_ok(result())
    assert len(shown) == 1


def test_one_that_fails_says_why(shown: list[str]) -> None:
    callback = steps.CallbackModule()
    callback.v2_playbook_on_task_start(task("Create release 3"), False)
    callback.v2_runner_on_failed(result(msg="There is no branch 'x'."))
    assert shown == ["-----> Create release 3", "There is no branch 'x'."]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"censored": "hidden", "msg": "s3cret"}, "hidden"),
        ({"msg": "non-zero return code", "stderr": "no\n"}, "non-zero return code\nno"),
        ({"msg": "same", "stderr": "same"}, "same"),
        ({"msg": None, "stdout": ["odd"]}, "['odd']"),
        (
            {"msg": "One or more", "results": [{"failed": True, "msg": "b"}, {"msg": "a"}]},
            "b",
        ),
        ({}, ""),
    ],
)
def test_what_it_said(said: dict[str, Any], text: str) -> None:
    assert steps.what_it_said(said) == text
