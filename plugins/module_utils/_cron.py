# PRIVATE to the collection: the times of OnCalendar that crontab(5) can express, too.
from __future__ import annotations

import re

WORDS = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "quarterly": "0 0 1 1,4,7,10 *",
    "semiannually": "0 0 1 1,7 *",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
}
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY = "(?:" + "|".join(DAYS) + ")[a-z]*"
_SHAPE = re.compile(
    rf"(?:(?P<days>{_DAY}(?:(?:,|\.\.){_DAY})*)(?:\s+|$))?"
    r"(?:(?:\*-)?(?P<month>[0-9*][0-9*,./]*)-(?P<day>[0-9*][0-9*,./]*)(?:\s+|$))?"
    r"(?:(?P<hour>[0-9*][0-9*,./]*):(?P<minute>[0-9*][0-9*,./]*)(?::0?0)?)?"
)


def cron_time(calendar: str) -> str | None:
    """The five fields of cron for a time as in OnCalendar; None where cron has none for it.

    It knows no seconds, years and time zones, and no day of the week within some days of the month.
    """
    calendar = calendar.strip().lower()
    if calendar in WORDS:
        return WORDS[calendar]
    found = _SHAPE.fullmatch(calendar)
    if not found or not calendar:
        return None
    parts = found.groupdict()
    fields = [
        _field(parts["minute"] or "0", 0, 59),
        _field(parts["hour"] or "0", 0, 23),
        _field(parts["day"] or "*", 1, 31),
        _field(parts["month"] or "*", 1, 12),
        _days(parts["days"]),
    ]
    if None in fields or (fields[2] != "*" and fields[4] != "*"):
        return None
    return " ".join(map(str, fields))


def _field(text: str, least: int, most: int) -> str | None:
    """One field: a list of numbers, ranges and steps."""
    items = []
    for item in text.split(","):
        found = re.fullmatch(r"(?:\*|(\d+)(?:\.\.(\d+))?)(?:/(\d+))?", item)
        if not found:
            return None
        first, last, step = (int(number) if number else None for number in found.groups())
        if any(number is not None and not least <= number <= most for number in (first, last)):
            return None
        if step == 0 or (first is not None and last is not None and first > last):
            return None
        span = "*" if first is None else str(first)
        if last is not None or (first is not None and step):
            span += f"-{most if last is None else last}"
        items.append(span + (f"/{step}" if step else ""))
    return ",".join(items)


def _days(text: str | None) -> str | None:
    """The days of the week, by number; to cron, Sunday is 0 and 7, as a range's end."""
    if not text:
        return "*"
    items = []
    for item in text.split(","):
        ends = [DAYS.index(day[:3]) for day in item.split("..")]
        if len(ends) > 1 and ends[1] == 0:
            ends[1] = 7
        if len(ends) > 2 or ends != sorted(ends):
            return None
        items.append("-".join(map(str, ends)))
    return ",".join(items)
