from __future__ import annotations

import time

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer
from ansible_collections.greenroom.django.plugins.modules import hand_over


@pytest.mark.parametrize(
    ("status", "location", "good"),
    [
        (200, None, True),
        (204, None, False),
        (500, None, False),
        (None, None, False),
        (301, "https://www.example.com/health/", True),
        (308, "https://www.example.com/", True),
        (301, "http://www.example.com/", False),
        (302, "https://login.example.com/", False),
        (302, "/login/", False),
        (200, "https://elsewhere/", True),
        (500, "https://www.example.com/", False),
        (301, None, False),
        (301, "https://www.example.com", True),
        (301, "https://www.example.com:8443/", True),
        (301, "https://www.example.com?next=/", True),
        (301, "https://www.example.community/", False),
        (301, "https://www.example.com.elsewhere.example/", False),
    ],
)
def test_whether_it_is_the_site(status: int | None, location: str | None, good: bool) -> None:
    answer = Answer(status, "", {"location": location} if location else {})
    assert hand_over.is_good(answer, 200, "www.example.com") is good


@pytest.mark.parametrize(
    ("statuses", "came", "asked"),
    [([200], 200, 1), ([502, 200], 200, 2), ([502, 502, 500, 200], 500, 3)],
)
def test_it_is_asked_up_to_three_times(
    monkeypatch: pytest.MonkeyPatch, statuses: list[int], came: int, asked: int
) -> None:
    left = iter(statuses)
    monkeypatch.setattr(hand_over, "ask", lambda *_, **__: Answer(next(left)))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert hand_over.smoke("www.example.com", "/", 200).status == came
    assert len(statuses) - len(list(left)) == asked
