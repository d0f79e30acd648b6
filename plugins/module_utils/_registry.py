# PRIVATE to the collection: looking up a backend in a registry, such as that of service managers.
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

Backend = TypeVar("Backend")


def get(registry: Mapping[str, Backend], option: str, name: str) -> Backend:
    """The backend called ``name``, the value of ``option``.

    Raises GreenroomError, with the names of the registry, where there is no such backend.
    """
    if name not in registry:
        raise GreenroomError(f"{option} is {name!r}; it should be {in_words(registry)}.")
    return registry[name]


def in_words(names: Iterable[str]) -> str:
    """A choice in words: ``one, two or three``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
