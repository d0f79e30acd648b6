"""What becomes of the migrations that an older release does not have."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _migrations
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    decide,
    first_failure,
    undo,
    way_back_of,
)

DROPS = [{"table": "shop_show", "column": "stage", "rows": 7}]


def migration(
    name: str,
    livable: bool = True,
    reversible: bool = True,
    drops: Any = (),
    needed_by: tuple[str, ...] = (),
) -> dict[str, Any]:
    operation = {
        "what": f"Do {name}",
        "livable": livable,
        "reversible": reversible,
        "drops": drops if drops is None else list(drops),
    }
    return {
        "name": name,
        "operations": [operation],
        "reversible": reversible,
        "needed_by": list(needed_by),
    }


LIVABLE = migration("shop.0004", drops=DROPS)
BREAKING = migration("shop.0003", livable=False, needed_by=("shop.0004",))
LOSSY = migration("shop.0002", livable=False, drops=DROPS)
UNKNOWN = migration("shop.0002", livable=False, drops=None)
STUCK = migration("shop.0002", livable=False, reversible=False)


@pytest.mark.parametrize(
    ("ahead", "choice", "keep", "reverse", "before"),
    [
        ([], "auto", [], [], False),
        ([LIVABLE], "auto", ["shop.0004"], [], False),
        ([LIVABLE], "reverse", [], ["shop.0004"], False),
        ([migration("a.2", livable=False), migration("b.1")], "auto", ["b.1"], ["a.2"], True),
        ([BREAKING], "auto", [], ["shop.0003"], True),
        ([LOSSY], "keep", ["shop.0002"], [], False),
        ([LOSSY], "reverse", [], ["shop.0002"], True),
        ([STUCK], "keep", ["shop.0002"], [], False),
        ([UNKNOWN], "reverse", [], ["shop.0002"], True),
        # One that the older code can live with goes too, where it needs one that must go.
        (
            [migration("shop.0004"), BREAKING],
            "auto",
            [],
            ["shop.0004", "shop.0003"],
            True,
        ),
    ],
)
def test_what_stays_and_what_is_reversed(
    ahead: list[Any], choice: str, keep: list[str], reverse: list[str], before: bool
) -> None:
    way = decide({"default": ahead}, choice, 42)
    assert [way.keep["default"], way.reverse["default"], way.before_handover] == [
        keep,
        reverse,
        before,
    ]
    assert way.reverses is bool(reverse)


@pytest.mark.parametrize(
    ("ahead", "choice", "said", "word"),
    [
        (
            [LOSSY],
            "auto",
            "shop.0002: its reversal drops the column shop_show.stage, in which 7 rows hold data",
            "-e migrations=reverse",
        ),
        (
            [LIVABLE, BREAKING],
            "auto",
            "shop.0004: its reversal drops the column shop_show.stage, in which 7 rows hold data",
            "-e migrations=reverse",
        ),
        (
            [UNKNOWN],
            "auto",
            "shop.0002: Do shop.0002: what its reversal drops cannot be told",
            "-e migrations=reverse",
        ),
        ([STUCK], "auto", "shop.0002 cannot be reversed: Do shop.0002", "-e migrations=keep"),
        ([STUCK], "reverse", "shop.0002 cannot be reversed: Do shop.0002", "-e migrations=keep"),
    ],
)
def test_it_stops_where_it_must_not_choose(
    ahead: list[Any], choice: str, said: str, word: str
) -> None:
    with pytest.raises(GreenroomError) as refused:
        decide({"default": ahead}, choice, 42)
    assert str(refused.value).startswith("Release 42 cannot live with migrations that were applied")
    assert f"\n- {said}\n" in str(refused.value)
    assert "Nothing was changed. To go on: " in str(refused.value)
    assert word in str(refused.value)
    if "cannot be reversed" in said:
        assert "-e migrations=reverse" not in str(refused.value)


def test_the_snapshot_is_a_way_too() -> None:
    with pytest.raises(GreenroomError) as refused:
        decide({"default": [STUCK]}, "auto", 42, "-e restore_database=true (restores 43-x)")
    assert str(refused.value).endswith("; or -e restore_database=true (restores 43-x).")


def test_another_database_is_named() -> None:
    with pytest.raises(GreenroomError, match=r"shop\.0002 \(database archive\) cannot be"):
        decide({"default": [], "archive": [STUCK]}, "auto", 42)


@pytest.mark.parametrize(
    ("waiting", "way"),
    [
        ([], "at once"),
        ([LIVABLE], "at once"),
        ([migration("a.1", reversible=False)], "at once"),
        ([LIVABLE, BREAKING], "reversal"),
        ([STUCK], "restore"),
    ],
)
def test_how_a_release_could_be_gone_back_from(waiting: list[Any], way: str) -> None:
    assert way_back_of({"default": waiting}) == way


def test_the_first_failure() -> None:
    done = {"default": {"applied": []}, "archive": {"applied": [], "failure": "ValueError: no"}}
    assert first_failure(done) == "ValueError: no"
    assert not first_failure({"default": {"applied": []}})


class Django:
    """Stands in for the Django starts: one database, and what each release's code has."""

    def __init__(self, applied: list[str], **code: list[dict[str, Any]]) -> None:
        self.applied = applied
        self.code = {int(number.strip("r")): migrations for number, migrations in code.items()}
        self.failure = ""

    def run(
        self, _app: App, number: int, step: str, databases: list[str], _timeout: float, **more: Any
    ) -> dict[str, Any]:
        mine = self.code[number]
        if step == "plan":
            ahead = [m for m in reversed(mine) if m["name"] in self.applied]
            return {alias: {"applied": self.applied, "ahead": ahead} for alias in databases}
        before = list(self.applied)
        if not self.failure and step == "apply":
            self.applied += [m["name"] for m in mine if m["name"] not in self.applied]
        elif not self.failure:
            unwanted = more["reverse"]["default"]
            self.applied = [name for name in self.applied if name not in unwanted]
        return {
            "default": {
                "applied": [name for name in self.applied if name not in before],
                "failure": self.failure,
            }
        }


RECORD = {"waiting": {"default": ["shop.2", "shop.3"]}, "snapshot": "7-20261121T100000Z"}


@pytest.mark.parametrize(
    ("applied", "code", "said", "left"),
    [
        (["shop.1"], [migration("shop.1"), migration("shop.2")], "", ["shop.1"]),
        (
            ["shop.1", "shop.2"],
            [migration("shop.1"), migration("shop.2"), migration("shop.3")],
            "The database is back in the state before: shop.2 was reversed.",
            ["shop.1"],
        ),
        (
            ["shop.1", "shop.2", "shop.3"],
            [migration("shop.1"), migration("shop.2"), migration("shop.3", reversible=False)],
            "The database keeps shop.3, shop.2: shop.3 cannot be reversed. To go back to the state "
            "before: restore.yml -e snapshot=7-20261121T100000Z",
            ["shop.1", "shop.2", "shop.3"],
        ),
    ],
)
def test_taking_back_what_a_release_applied(
    app: App,
    monkeypatch: pytest.MonkeyPatch,
    applied: list[str],
    code: list[Any],
    said: str,
    left: list[str],
) -> None:
    django = Django(applied, r7=code)
    monkeypatch.setattr(_migrations, "run_migrations", django.run)
    entry = {"number": 7, "migrations": dict(RECORD)}
    assert undo(app, entry) == said
    assert django.applied == left
    assert undo(app, entry) == "", "it is tried, and said, once"


def test_a_reversal_that_fails_says_what_to_do(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    django = Django(["shop.2"], r7=[migration("shop.2")])
    django.failure = "OperationalError: gone"
    monkeypatch.setattr(_migrations, "run_migrations", django.run)
    said = undo(app, {"number": 7, "migrations": dict(RECORD)})
    assert "their reversal failed (OperationalError: gone). To go back" in said
    assert not undo(app, {"number": 7})
