from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.action import lock


def ended() -> int:
    """The number of a process that is over."""
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    return process.pid


@pytest.fixture
def zombie() -> Iterator[int]:
    """The number of a process that is over, and whose parent has not asked."""
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    yield process.pid
    process.wait()


@pytest.mark.parametrize(
    ("holder", "dead"),
    [
        pytest.param({"pid": "ended", "controller": "here"}, True, id="ended, on this machine"),
        pytest.param({"pid": "zombie", "controller": "here"}, True, id="nobody asked how it ended"),
        pytest.param({"pid": "self", "controller": "here"}, False, id="it runs"),
        pytest.param(
            {"pid": "self", "controller": "here", "started": "self"},
            False,
            id="it runs, since then",
        ),
        pytest.param(
            {"pid": "self", "controller": "here", "started": 1}, True, id="another has its number"
        ),
        pytest.param({"pid": 1, "controller": "here"}, False, id="somebody else's process"),
        pytest.param({"pid": "ended", "controller": "there"}, False, id="another machine"),
        pytest.param({"pid": "ended", "controller": ""}, False, id="a machine that nobody knows"),
        pytest.param({"pid": 0, "controller": "here"}, False, id="no process"),
        pytest.param({}, False, id="a lock that says nothing"),
    ],
)
def test_whether_the_holder_is_dead(
    holder: dict[str, Any], dead: bool, zombie: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "controller_id", lambda: "here")
    numbers = {"ended": ended(), "self": os.getpid(), "zombie": zombie}
    if "pid" in holder:
        holder = {**holder, "pid": numbers.get(holder["pid"], holder["pid"])}
    if holder.get("started") == "self":
        holder = {**holder, "started": lock.started(os.getpid())}
    assert lock.is_dead(holder) is dead


def test_two_containers_of_one_machine_are_two_controllers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share the boot, and each counts its processes from one."""
    here = lock.controller_id()
    monkeypatch.setattr(os, "readlink", lambda _: "pid:[1]")
    assert lock.controller_id() != here
    assert lock.controller_id().split()[0] == here.split()[0]


def test_a_machine_without_an_identity_declares_nobody_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lock, "controller_id", lambda: "")
    assert lock.is_dead({"pid": ended(), "controller": ""}) is False


class Action(lock.ActionModule):
    """The action, with a module that answers what it is given."""

    def __init__(self, arguments: dict[str, Any], *answers: dict[str, Any]) -> None:
        self._task: Any = type("Task", (), {"args": arguments, "async_val": 0})()
        self._connection: Any = None
        self.answers, self.asked = list(answers), list[dict[str, Any]]()

    def run_step(self, step: str, arguments: Any, _task_vars: Any) -> Any:
        assert step == "lock"
        self.asked.append(dict(arguments))
        return self.answers.pop(0)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No connection, and a clock that moves when somebody sleeps; the seconds that were slept."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(ActionBase, "run", lambda *_: None)
    return slept


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
        "by": lock.who(),
        "controller": lock.controller_id(),
        "pid": os.getppid(),
        "started": lock.started(os.getppid()),
    }
    assert asked["started"] > 0
    assert len(asked["token"]) == 16
    assert "@" in asked["by"]


@pytest.mark.parametrize("dead", [True, False])
def test_it_takes_over_from_a_dead_run_and_no_other(
    dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "is_dead", lambda _: dead)
    refused = {"failed": True, "holder": {"token": "old"}}
    action = Action({"app": "blog"}, refused, {"token": "x"})
    assert action.run(task_vars={}) == ({"token": "x"} if dead else refused)
    assert [asked.get("dead") for asked in action.asked] == ([None, "old"] if dead else [None])
    assert len({asked["token"] for asked in action.asked}) == 1


HELD = {"failed": True, "holder": {"token": "old", "by": "bob@desk"}}
WORKING = {"failed": True, "working": {"by": "bob@desk", "step": "manage"}}
BEGUN = {"token": "x"}


@pytest.mark.parametrize(
    ("wait", "answers", "ends", "seconds"),
    [
        pytest.param(0, [HELD], HELD, 0, id="unasked, nobody waits for another's run"),
        pytest.param("60", [HELD, HELD, BEGUN], BEGUN, 2, id="it waits until the other has ended"),
        pytest.param(3, [HELD] * 9, HELD, 3, id="and no longer than it was told to"),
        pytest.param(0, [WORKING, BEGUN], BEGUN, 1, id="a dead run's last step mostly ends soon"),
        pytest.param(
            0, [WORKING] * 99, WORKING, lock.GRACE, id="and otherwise is no reason to hang"
        ),
        pytest.param(60, [WORKING] * 30 + [BEGUN], BEGUN, 30, id="unless it is to be waited for"),
        pytest.param(60, [{"failed": True}], {"failed": True}, 0, id="nothing else gets better"),
    ],
)
def test_waiting(
    wait: int | str, answers: list[Any], ends: Any, seconds: float, clock: list[float]
) -> None:
    action = Action({"app": "blog", "wait": wait}, *answers)
    assert action.run(task_vars={}) == ends
    assert sum(clock) == seconds


def test_a_run_that_dies_while_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one after it, which came in between, dies too."""
    other = {"failed": True, "holder": {"token": "other", "by": "eve@desk"}}
    dead: list[str] = []
    monkeypatch.setattr(lock, "is_dead", lambda holder: holder["token"] in dead)
    monkeypatch.setattr(time, "sleep", lambda _: dead.extend(["old", "other"]))
    action = Action({"app": "blog", "wait": 60}, HELD, HELD, other, BEGUN)
    assert action.run(task_vars={}) == BEGUN
    assert [asked.get("dead") for asked in action.asked] == [None, None, "old", "other"]


def test_who_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    monkeypatch.setattr("socket.gethostname", lambda: "laptop")
    assert lock.who() == "ada@laptop"
    monkeypatch.setenv("GREENROOM_BY", "grace@desk")
    assert lock.who() == "grace@desk", "who pushed, and not root of the host"
