from __future__ import annotations

import time

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer
from ansible_collections.greenroom.django.plugins.module_utils._prove import wait_for

NOBODY, GOOD, BAD = Answer(None, error="refused"), Answer(200, "OK"), Answer(500, "Error")
AWAY = Answer(302, "Found", {"location": "/login/"})


@pytest.mark.parametrize(
    ("answers", "came", "asked"),
    [
        pytest.param([GOOD], GOOD, 1, id="at once"),
        pytest.param([NOBODY] * 5 + [GOOD], GOOD, 6, id="once it has started"),
        pytest.param([BAD, GOOD], GOOD, 2, id="it may stumble once"),
        pytest.param([NOBODY, BAD, NOBODY, BAD, GOOD], GOOD, 5, id="or twice"),
        pytest.param([BAD, BAD, BAD, GOOD], BAD, 3, id="and no more"),
        pytest.param([AWAY, AWAY, AWAY, GOOD], AWAY, 3, id="a redirect is not what was asked for"),
    ],
)
def test_waiting_for_the_answer(answers: list[Answer], came: Answer, asked: int) -> None:
    left = iter(answers)
    found = wait_for(lambda: next(left), 200, timeout=30, is_up=lambda: True, pause=0)
    assert (found, len(answers) - len(list(left))) == (came, asked)


def test_another_status_may_be_the_right_one() -> None:
    assert wait_for(lambda: AWAY, 302, 30, lambda: True, 0) == AWAY


def test_a_service_that_went_down_is_not_waited_for() -> None:
    started = time.monotonic()
    assert wait_for(lambda: NOBODY, 200, 30, lambda: False) == NOBODY
    assert time.monotonic() - started < 1


def test_the_time_is_up_some_day() -> None:
    started = time.monotonic()
    assert wait_for(lambda: NOBODY, 200, 0.2, lambda: True) == NOBODY
    assert 0.2 <= time.monotonic() - started < 2
