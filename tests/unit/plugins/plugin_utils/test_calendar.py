from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._calendar import is_calendar_time

# As `systemd-analyze calendar` judges them; tests/end_to_end/test_bad_input.py asks it.
GOOD = [
    *("daily", "WEEKLY", "weekly Pacific/Auckland", "03:30", "*-*-* 03:30:00", "*:0/15", "3:5"),
    *("Mon..Fri 22:00 Europe/Berlin", "Sat *-*~07/1", "Mon,Thu", "Sunday 4:00", "2027-01-01"),
    *("*-02~03", "12:05:30.5", "*-*-01,15 04:00:00", "*-*-* 0..6:00", "Mon..Wed,Sat 12:00"),
    *("05-03", "*-*-1/2 3:0", "00:00:00/10", "03:30 UTC", "*-*-1..5/2", "@1395716396"),
    *("Mon-Fri 03:00", "99-01-01", "0/2:00"),
]
BAD = [
    *("whenever", "at night", "3am", "noon", "daily at 3", "every day", "0 3 * * *", "@daily", ""),
    *("25:00", "24:00", "12:60", "13-01", "*-*-32", "Funday 03:00", "03:30 04:30", "1:2:3:4"),
    *(
        "Mon..",
        "Mon-",
        "UTC",
        "Europe/Berlin",
        "03",
        "*-*-* *",
        "Fri..Mon 3:00",
        "5..3:00",
        "*/2:00",
    ),
    *("daily Nowhere/City", "03:30 sharp", "*,1:00", "*:0/15.5", "0/0:00 x"),
]


@pytest.mark.parametrize("text", GOOD)
def test_a_time(text: str) -> None:
    assert is_calendar_time(text)


@pytest.mark.parametrize("text", BAD)
def test_no_time(text: str) -> None:
    assert not is_calendar_time(text)
