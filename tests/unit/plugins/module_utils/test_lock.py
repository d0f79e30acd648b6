from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._lock import LEASE, Lock

fork = multiprocessing.get_context("fork")
ROUNDS = 1500


def run(token: str, by: str = "ada@laptop") -> dict[str, Any]:
    return {"token": token, "by": by, "controller": "c", "pid": 1, "since": time.time() - 125}


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Lock]:
    lock = Lock(str(tmp_path / "lock.json"))
    yield lock
    assert set(os.listdir(tmp_path)) <= {"lock.json", "lock.json.turn"}


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
            f"ada@laptop is deploying or rolling back here, since 2 min ({since}). "
            f"Try again when that run has ended. If it is dead: rm {lock.path}"
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
    lock.take(run("a"))
    age(lock, LEASE - 30)
    with pytest.raises(GreenroomError):
        lock.check(run("b"))
    age(lock, LEASE + 30)
    lock.check(run("b"))
    lock.renew()
    with pytest.raises(GreenroomError):
        lock.check(run("b"))
    age(lock, LEASE + 30)
    lock.take(bob := run("b"))
    assert lock.holder() == bob
    assert lock.release("a") is False  # the run that had it before comes too late


def test_renewing_makes_no_lock(lock: Lock) -> None:
    lock.renew()
    assert not os.path.exists(lock.path)


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
        with pytest.raises(GreenroomError, match=r"is deploying .* since 10 min .* rm "):
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
