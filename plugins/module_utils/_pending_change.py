# PRIVATE to the collection: the record in the journal of a change that has begun and not ended.
# _recovery.py is what writes, finishes and undoes it.
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar


@dataclass(frozen=True)
class Reversal:
    """Migrations that are reversed for an older release."""

    #: the release whose code reverses them, and can apply them again
    release: int
    #: for each database, the migrations that were applied before
    applied: dict[str, list[str]]


@dataclass(frozen=True)
class Restore:
    """Databases that were restored beside those in use, to be swapped in."""

    #: for each database, the name of the restored one
    restored: dict[str, str]
    #: for each database, the name under which the one in use is kept
    replaced: dict[str, str]
    #: the restored databases that lack migrations of the release
    lacking: list[str]


@dataclass(frozen=True)
class PendingChange:
    """A change of the current release, its databases or both, from its first step to its last."""

    #: the release that becomes current; 0 if the current one stays, as in a restore
    target: int = 0
    #: whether this change turned maintenance mode on
    maintenance: bool = False
    reversal: Reversal | None = None
    restore: Restore | None = None


def to_json(change: PendingChange) -> dict[str, Any]:
    """The pending change as the journal has it."""
    return asdict(change)


def from_json(content: Any) -> PendingChange:
    """The pending change that to_json() wrote. Raises ValueError for anything else."""
    try:
        reversal, restore = content["reversal"], content["restore"]
        change = PendingChange(
            _a(int, content["target"]),
            _a(bool, content["maintenance"]),
            None if reversal is None else _reversal(reversal),
            None if restore is None else _restore(restore),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if to_json(change) != content:
        raise ValueError("it has more than a pending change has")
    return change


def _reversal(content: Any) -> Reversal:
    return Reversal(_a(int, content["release"]), _dict(_names, content["applied"]))


def _restore(content: Any) -> Restore:
    return Restore(
        _dict(_name, content["restored"]),
        _dict(_name, content["replaced"]),
        _names(content["lacking"]),
    )


_Value = TypeVar("_Value")


def _a(kind: type[_Value], value: Any) -> _Value:
    """The value, if it is of that very type. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _name(value: Any) -> str:
    return _a(str, value)


def _names(value: Any) -> list[str]:
    return [_name(each) for each in _a(list, value)]


def _dict(of: Callable[[Any], _Value], value: Any) -> dict[str, _Value]:
    return {alias: of(each) for alias, each in _a(dict, value).items()}
