"""Times of systemd, as cron has them."""

from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._cron import cron_time


@pytest.mark.parametrize(
    ("calendar", "fields"),
    [
        ("hourly", "0 * * * *"),
        ("daily", "0 0 * * *"),
        ("Weekly", "0 0 * * 1"),
        ("monthly", "0 0 1 * *"),
        ("*-*-* 03:30:00", "30 3 * * *"),
        ("03:30", "30 3 * * *"),
        ("*:0/15", "0-59/15 * * * *"),
        ("*:*/20", "*/20 * * * *"),
        ("Mon..Fri 22:00", "0 22 * * 1-5"),
        ("Sat,Sun 04:05:00", "5 4 * * 6,0"),
        ("Fri..Sun 1:00", "0 1 * * 5-7"),
        ("Monday", "0 0 * * 1"),
        ("*-*-1,15 02:00", "0 2 1,15 * *"),
        ("*-01..03-01 00:00", "0 0 1 1-3 *"),
        ("8..18/2:00", "0 8-18/2 * * *"),
    ],
)
def test_a_time_that_both_know(calendar: str, fields: str) -> None:
    assert cron_time(calendar) == fields


@pytest.mark.parametrize(
    "calendar",
    [
        "",
        "soon",
        "*-*-* 03:30:10",
        "03:30 Europe/Berlin",
        "2026-12-24 18:00",
        "Sat *-*-1..7 18:00",
        "*-*~07/1",
        "25:00",
        "00:61",
        "*-13-01",
        "*:0/0",
        "Mon..",
        "Sat..Mon 22:00",
        "Mon..Wed..Fri 03:00",
        "22..4:00",
    ],
)
def test_a_time_that_cron_cannot_say(calendar: str) -> None:
    assert cron_time(calendar) is None
