# PRIVATE to the collection: asking a register of backends, such as that of service managers.
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

Backend = TypeVar("Backend")


def look_up(register: Mapping[str, Backend], option: str, word: str) -> Backend:
    """What stands under ``word``, the value of ``option``.

    Raises GreenroomError, which lists what there is, where that is nothing.
    """
    if word not in register:
        raise GreenroomError(f"{option} is {word!r}; it should be {in_words(register)}.")
    return register[word]


def in_words(names: Iterable[str]) -> str:
    """A choice in words: ``systemd, supervisor or upstart``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
