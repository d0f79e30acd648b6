# PRIVATE to the collection: texts of an app, of a build or of another program, shown to a person.
from __future__ import annotations

import unicodedata
from typing import Any

# Characters of one message. What it is about stands at its beginning and at its end.
LONGEST = 16_000

# They are not control characters, and turn the order of what is shown: what is read is not it.
_TURNING = {
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    *(0x200E, 0x200F, 0x061C, 0x2028, 0x2029),
}
_KEPT = "\n\t"


def printable(text: str) -> str:
    """The text with every control character escaped, but for line ends and tabs.

    A terminal obeys what it is shown: it could be told to change what stands there already.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character in _KEPT or not _is_control(character) else _escaped(character)
        for character in text.replace("\r\n", "\n")
    )


def message(text: str) -> str:
    """The same, and no longer than a person reads."""
    shown = printable(text)
    left = len(shown) - LONGEST
    if left <= 0:
        return shown
    return f"{shown[: LONGEST // 2]}\n[... {left} characters ...]\n{shown[-LONGEST // 2 :]}"


def printable_values(value: Any) -> Any:
    """A module's result, in which every text is printable."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable_values(key): printable_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable_values(item) for item in value]
    return value


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or ord(character) in _TURNING


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
