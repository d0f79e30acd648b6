from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._text import (
    LONGEST,
    message,
    printable,
    printable_values,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 🎭 «a»\n\tb\N{ZERO WIDTH JOINER}", "Größe 🎭 «a»\n\tb\N{ZERO WIDTH JOINER}"),
        ("\x1b[31mred\x1b[0m\x07", "\\x1b[31mred\\x1b[0m\\x07"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("\x9b2J\x7f\0", "\\x9b2J\\x7f\\x00"),
        ("\u202etxt.exe\u2028", "\\u202etxt.exe\\u2028"),
        ("\udcff", "\\udcff"),
    ],
)
def test_a_terminal_is_given_no_orders(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert message(text) == shown


def test_a_message_has_an_end() -> None:
    shown = message("begin" + "x" * 10**6 + "end")
    assert shown.startswith("beginx")
    assert shown.endswith("xend")
    assert f"\n[... {10**6 + 8 - LONGEST} characters ...]\n" in shown
    assert len(shown) < LONGEST + 100


def test_all_texts_of_a_result() -> None:
    result = {"a\x1b": ["\x07", {"b": ("\r", 1, None, True)}]}
    assert printable_values(result) == {"a\\x1b": ["\\x07", {"b": ["\\r", 1, None, True]}]}
