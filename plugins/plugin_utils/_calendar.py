# PRIVATE to the collection: the times that OnCalendar= of a timer takes, judged without the host.
from __future__ import annotations

import re
from zoneinfo import ZoneInfo

WORDS = (
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "yearly",
    "annually",
)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = (
    r"(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?"
    r"|sun(?:day)?)"
)
_FIELD = r"[0-9*][0-9*,./]*"
_SHAPE = re.compile(
    rf"(?:(?P<days>{_DAY}(?:(?:,|\.\.|-){_DAY})*),?(?:\s+|$))?"
    rf"(?:(?:(?P<year>{_FIELD})-)?(?P<month>{_FIELD})[-~](?P<day>{_FIELD})(?:\s+|$))?"
    rf"(?:(?P<hour>{_FIELD}):(?P<minute>{_FIELD})(?::(?P<second>{_FIELD}))?(?:\s+|$))?",
    re.IGNORECASE,
)
_RANGES = {
    "year": (0, 2199),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59.999),
}


def is_calendar_time(text: str) -> bool:
    """Whether a timer takes it for OnCalendar=, as far as that can be known here."""
    if re.fullmatch(r"@[0-9]{1,12}", text.strip()):
        return True  # in Unix seconds
    words = text.split()
    if len(words) > 1 and _is_zone(words[-1]):
        words.pop()
    if len(words) == 1 and words[0].lower() in WORDS:
        return True
    found = _SHAPE.fullmatch(" ".join(words))
    if not found or not words or not _are_days(found["days"] or ""):
        return False
    fields = [(found[part], *ends) for part, ends in _RANGES.items() if found[part] is not None]
    return all(_is_field(*field) for field in fields)


def _is_zone(word: str) -> bool:
    """Whether it is a time zone, by those of this machine; by its looks where it has none."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", word):
        return False
    if word.upper() == "UTC":
        return True
    try:
        ZoneInfo(word)
    except (OSError, ValueError, KeyError):
        try:
            ZoneInfo("Europe/London")
        except (OSError, ValueError, KeyError):
            return "/" in word
        return False
    return True


def _are_days(text: str) -> bool:
    """Whether each range of days goes forward in the week."""
    for item in filter(None, text.lower().split(",")):
        ends = [DAYS.index(day[:3]) for day in re.split(r"\.\.|-", item)]
        if len(ends) > 2 or ends != sorted(ends):
            return False
    return True


def _is_field(text: str, least: float, most: float) -> bool:
    """Whether it is every one, or a list of numbers, ranges and steps that stay in their range."""
    if text == "*":
        return True
    number = r"[0-9]+(?:\.[0-9]+(?!\.))?" if isinstance(most, float) else "[0-9]+"
    for item in text.split(","):
        found = re.fullmatch(rf"({number})(?:\.\.({number}))?(?:/({number}))?", item)
        if not found:
            return False
        first, last, step = (float(part) if part else None for part in found.groups())
        if any(end is not None and not least <= end <= most for end in (first, last)):
            return False
        if step == 0 or (last is not None and first is not None and first > last):
            return False
    return True
