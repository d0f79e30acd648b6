from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.action import begin


def ended() -> int:
    """The number of a process that is over."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("holder", "dead"),
    [
        pytest.param({"pid": "ended", "controller": "here"}, True, id="ended, on this machine"),
        pytest.param({"pid": "self", "controller": "here"}, False, id="it runs"),
        pytest.param({"pid": 1, "controller": "here"}, False, id="somebody else's process"),
        pytest.param({"pid": "ended", "controller": "there"}, False, id="another machine"),
        pytest.param({"pid": "ended", "controller": ""}, False, id="a machine that nobody knows"),
        pytest.param({"pid": 0, "controller": "here"}, False, id="no process"),
        pytest.param({}, False, id="a lock that says nothing"),
    ],
)
def test_whether_the_holder_is_dead(
    holder: dict[str, Any], dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begin, "controller_id", lambda: "here")
    numbers = {"ended": ended(), "self": os.getpid()}
    if "pid" in holder:
        holder = {**holder, "pid": numbers.get(holder["pid"], holder["pid"])}
    assert begin.is_dead(holder) is dead


def test_a_machine_without_an_identity_declares_nobody_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(begin, "controller_id", lambda: "")
    assert begin.is_dead({"pid": ended(), "controller": ""}) is False


class Action(begin.ActionModule):
    """The action, with a module that answers what it is given."""

    def __init__(self, arguments: dict[str, Any], *answers: dict[str, Any]) -> None:
        self._task: Any = type("Task", (), {"args": arguments, "async_val": 0})()
        self._connection: Any = None
        self.answers, self.asked = list(answers), list[dict[str, Any]]()

    def _execute_module(self, module_args: Any = None, task_vars: Any = None) -> Any:  # noqa: ARG002 - as Ansible calls it
        self.asked.append(module_args)
        return self.answers.pop(0)


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda *_: None)


def test_it_says_who_runs_it() -> None:
    action = Action({"app": "blog"}, {"token": "x"})
    child = os.fork()
    if child == 0:  # as a worker of ansible-playbook does, which loaded this file before
        action.run(task_vars={})
        same = action.asked[0]["pid"] == os.getppid() != os.getpid()
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert action.run(task_vars={}) == {"token": "x"}
    asked = action.asked[0]
    assert asked == {
        "app": "blog",
        "token": asked["token"],
        "by": begin.who(),
        "controller": begin.controller_id(),
        "pid": os.getppid(),
    }
    assert len(asked["token"]) == 16
    assert "@" in asked["by"]


@pytest.mark.parametrize("dead", [True, False])
def test_it_takes_over_from_a_dead_run_and_no_other(
    dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(begin, "is_dead", lambda _: dead)
    refused = {"failed": True, "holder": {"token": "old"}}
    action = Action({"app": "blog"}, refused, {"token": "x"})
    assert action.run(task_vars={}) == ({"token": "x"} if dead else refused)
    assert [asked.get("dead") for asked in action.asked] == ([None, "old"] if dead else [None])
    assert len({asked["token"] for asked in action.asked}) == 1
