from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _command as command
from ansible_collections.greenroom.django.plugins.module_utils import _lock
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._lock import LEASE, MARK, Lock

fork = multiprocessing.get_context("fork")
ROUNDS = 1500


def run(token: str, by: str = "ada@laptop") -> dict[str, Any]:
    return {"token": token, "by": by, "controller": "c", "pid": 1, "since": time.time() - 125}


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    lock = Lock(str(tmp_path / "lock.json"))
    yield lock
    assert set(os.listdir(tmp_path)) <= {"lock.json", "lock.json.turn", "lock.json.step"}
    assert not os.path.exists(lock.step_path) or os.path.getsize(lock.step_path) == 0


def age(lock: Lock, seconds: float) -> None:
    os.utime(lock.path, (time.time() - seconds, time.time() - seconds))


def test_one_takes_it_and_gives_it_back(lock: Lock) -> None:
    ada = run("a")
    assert lock.holder() is None
    lock.take(ada)
    assert lock.holder() == ada
    assert os.stat(lock.path).st_mode & 0o777 == 0o600
    assert lock.release("b") is False
    assert lock.holder() == ada
    assert lock.release("a") is True
    assert (lock.holder(), lock.release("a")) == (None, False)


def test_another_is_told_who_holds_it_and_since_when(lock: Lock) -> None:
    ada = run("a")
    lock.take(ada)
    since = time.strftime("%H:%M:%S UTC", time.gmtime(ada["since"]))
    for attempt in (lock.take, lock.check):
        with pytest.raises(GreenroomError) as refused:
            attempt(run("b", "bob@desk"))
        assert str(refused.value) == (
            f"ada@laptop is at work here, since 2 min ({since}). "
            "Try again when that run has ended, or have it waited for: -e wait=600. "
            f"If it is dead: rm {lock.path}"
        )
        assert refused.value.details == {"holder": ada}
    assert lock.holder() == ada


def test_the_same_run_takes_it_again(lock: Lock) -> None:
    lock.take(run("a"))
    lock.take(again := run("a"))
    assert lock.holder() == again


def test_looking_takes_nothing(lock: Lock) -> None:
    lock.check(run("a"))
    assert not os.path.exists(lock.path)


def test_a_lease_runs_out_and_is_renewed(lock: Lock) -> None:
    lock.take(ada := run("a"))
    age(lock, LEASE - 30)
    with pytest.raises(GreenroomError):
        lock.check(run("b"))
    age(lock, LEASE + 30)
    lock.check(run("b"))
    with lock.step("a", "manage"):
        assert lock.holder() == ada
    with pytest.raises(GreenroomError):
        lock.check(run("b"))
    age(lock, LEASE + 30)
    lock.take(bob := run("b"))
    assert lock.holder() == bob
    assert lock.release("a") is False  # the run that had it before comes too late


@pytest.mark.parametrize("taken", ["by another", "away"])
def test_a_run_that_lost_the_lock_stops(lock: Lock, taken: str) -> None:
    """As one whose controller was suspended until the lease was over."""
    lock.take(run("a"))
    if taken == "away":
        os.unlink(lock.path)
    else:
        age(lock, LEASE + 30)
        lock.take(run("b", "bob@desk"))
    with (
        pytest.raises(GreenroomError, match=r"^This run has lost the lock") as lost,
        lock.step("a", "x"),
    ):
        raise AssertionError("it worked")
    assert ("bob@desk has it, since 2 min" if taken == "by another" else "nobody has it") in str(
        lost.value
    )
    with lock.step("b", "x") if taken == "by another" else lock.step("", "x"):
        pass


def test_a_step_by_itself_keeps_out_of_a_run(lock: Lock) -> None:
    with lock.step("", "prove"):
        assert not os.path.exists(lock.path)
    lock.take(run("a"))
    with pytest.raises(GreenroomError, match="is at work here"), lock.step("", "x"):
        pass


def working(lock: Lock, token: str, done: Any) -> None:
    """Be a step, with a child that has a child that goes on when both are killed."""
    with lock.step(token, "django_prepare, release 43"):
        script = f"sleep 60 & echo $! > {done}; wait"
        command.run(["/bin/sh", "-c", script])


@pytest.fixture
def left(lock: Lock, tmp_path: Path) -> Iterator[int]:
    """The process that a step of the run `a` left when it was killed."""
    lock.take(run("a"))
    done = tmp_path.parent / f"{tmp_path.name}.pid"
    step = fork.Process(target=working, args=(lock, "a", done), daemon=True)
    step.start()
    while not (done.exists() and done.read_text()):
        time.sleep(0.01)
    assert step.pid
    os.kill(step.pid, signal.SIGKILL)
    step.join()
    number = int(done.read_text())
    while Path(f"/proc/{number}/comm").read_text() != "sleep\n":  # it is still the shell's copy
        time.sleep(0.01)
    yield number
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
    Path(lock.step_path).write_text("")


def test_what_a_killed_step_left_working_keeps_the_next_run_out(lock: Lock, left: int) -> None:
    bob = run("b", "bob@desk")
    for attempt in (lock.take, lock.check):
        with pytest.raises(GreenroomError) as refused:
            attempt(bob, dead="a")
        message = str(refused.value)
        assert message.startswith(
            "The last run, of ada@laptop, is over or out of reach, but it still works on the host: "
            "django_prepare, release 43, since 0 min ("
        )
        assert re.search(
            rf"Its processes: .*sleep \({left}\)\. If they never end: kill -9 ", message
        )
        assert refused.value.details["working"]["step"] == "django_prepare, release 43"  # type: ignore[index]
    for number in message.rpartition("kill -9 ")[2].split():
        os.kill(int(number), signal.SIGKILL)
    for _ in range(100):
        with suppress(GreenroomError):
            lock.take(bob, dead="a")
            break
        time.sleep(0.01)
    assert lock.holder() == bob


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("way", ["the lease is over", "the file is gone"])
def test_nor_does_any_other_way_to_the_lock_lead_past_it(lock: Lock, way: str) -> None:
    if way == "the file is gone":
        os.unlink(lock.path)
    else:
        age(lock, LEASE + 30)
    with pytest.raises(GreenroomError, match="still works on the host"):
        lock.take(run("b"))


@pytest.mark.usefixtures("left")
def test_the_next_step_of_the_same_run_waits(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lock, "PATIENCE", 0.2)
    with pytest.raises(GreenroomError, match="still works"), lock.step("a", "abandon"):
        raise AssertionError("it worked")
    assert "django_prepare, release 43" in Path(lock.step_path).read_text()


def test_what_a_step_leaves_behind_on_purpose_keeps_nobody_out(lock: Lock) -> None:
    """As a program that a build command starts and leaves running, when the step itself is done."""
    lock.take(run("a"))
    with lock.step("a", "run_commands"):
        daemon = command.run(["/bin/sh", "-c", "sleep 60 >&- 2>&- & echo $!"])
    try:
        lock.take(run("b"), dead="a")
    finally:
        os.kill(int(daemon.stdout), signal.SIGKILL)


def test_a_hook_of_a_dead_run_keeps_the_next_out(lock: Lock) -> None:
    """It is no step of ours, and is known by the variable that the playbooks give to all tasks."""
    lock.take(run("a"))
    hook = subprocess.Popen(["/bin/sleep", "60"], env={MARK: "a"})
    other = subprocess.Popen(["/bin/sleep", "60"], env={MARK: "ab"})
    try:
        # Popen returns a moment before the kernel shows what a program was given.
        while not all(Path(f"/proc/{it.pid}/environ").read_bytes() for it in (hook, other)):
            time.sleep(0.01)
        with pytest.raises(GreenroomError) as refused:
            lock.take(run("b"), dead="a")
        assert re.search(
            rf": something that it started, since 2 min .* Its processes: sleep \({hook.pid}\)\. "
            rf"If they never end: kill -9 {hook.pid}$",
            str(refused.value),
        )
    finally:
        for process in (hook, other):
            process.kill()
            process.wait()
    lock.take(run("b"), dead="a")


def test_a_full_disk_stops_no_step(lock: Lock) -> None:
    lock.take(run("a"))
    with lock.step("a", "begin"):
        pass
    os.unlink(lock.step_path)
    os.symlink("/dev/full", lock.step_path)
    with lock.step("a", "abandon"):
        pass
    os.unlink(lock.step_path)


def test_a_dead_run_is_taken_over_from_and_no_other(lock: Lock) -> None:
    lock.take(ada := run("a"))
    with pytest.raises(GreenroomError):
        lock.take(run("b"), dead="x")
    assert lock.holder() == ada
    lock.take(bob := run("b"), dead="a")
    assert lock.holder() == bob


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"{}", b"\xff\xfe", b'{"by": "x"}'])
def test_a_damaged_one_holds_until_its_lease_is_over(lock: Lock, content: bytes) -> None:
    Path(lock.path).write_bytes(content)
    age(lock, 600)
    # A token of nobody's is not that of a run that is said to be dead.
    for dead in (None, "x"):
        with pytest.raises(GreenroomError, match=r"is at work here, since 10 min .* rm "):
            lock.take(run("b"), dead=dead)
    assert Path(lock.path).read_bytes() == content
    age(lock, LEASE + 30)
    lock.take(bob := run("b"))
    assert lock.holder() == bob


def compete(path: str, name: str, start: Barrier, wins: Any, left: str) -> None:
    """Try for the lock in every round, together with the others; the winner gives it back."""
    lock = Lock(path)
    for number in range(ROUNDS):
        start.wait()
        try:
            lock.take(run(f"{name}-{number}"), dead=left if number == 0 else None)
            won = True
        except GreenroomError:
            won = False
        start.wait()  # nobody gives it back before all have tried
        if won:
            wins.put(number)
            if number % 2:
                os.utime(path, (1, 1))  # left behind, for the next round to find
            else:
                lock.release(f"{name}-{number}")


def test_of_many_at_once_exactly_one_wins(lock: Lock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round after round: from a dead run, where there is none, and where one was left behind."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a busy disk would make it minutes
    lock.take(run("left"))
    start, wins = fork.Barrier(6, timeout=20), fork.SimpleQueue()
    takers = [
        fork.Process(target=compete, args=(lock.path, name, start, wins, "left"), daemon=True)
        for name in "abcdef"
    ]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join(60)
    assert [taker.exitcode for taker in takers] == [0] * 6
    winners = []
    while not wins.empty():
        winners.append(wins.get())
    assert sorted(winners) == list(range(ROUNDS))
