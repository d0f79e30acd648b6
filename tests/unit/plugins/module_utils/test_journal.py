from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import (
    BAD,
    BUILDING,
    FAILED,
    GOOD,
    Journal,
)


def entry(number: int, before: int | None, result: str = GOOD, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "revision": f"{number:040x}",
        "result": result,
        "before": before,
    } | more


def journal(*entries: dict[str, Any]) -> Journal:
    return Journal("/nowhere/journal.json", entries)


STRAIGHT = [entry(1, None), entry(2, 1), entry(3, 2), entry(4, 3)]


@pytest.mark.parametrize(
    ("entries", "serving", "way_back"),
    [
        pytest.param([], None, [], id="nothing was ever deployed"),
        pytest.param([entry(1, None)], 1, [], id="the first has nothing before it"),
        pytest.param(STRAIGHT, 4, [3, 2, 1], id="one after the other"),
        pytest.param(STRAIGHT, 2, [1], id="a second rollback goes one further back"),
        pytest.param(STRAIGHT, None, [], id="an empty stage has no way back"),
        pytest.param(STRAIGHT, 7, [], id="a release that nobody knows has none"),
        pytest.param(
            [entry(1, None), entry(2, 1, BAD), entry(3, 2)], 3, [1], id="a bad one is skipped"
        ),
        pytest.param(
            [entry(1, None), entry(2, 1, pruned=True), entry(3, 2)],
            3,
            [1],
            id="one that is gone from disk is skipped",
        ),
        pytest.param(
            [entry(1, None), entry(2, 1, FAILED), entry(3, 1)],
            3,
            [1],
            id="one that failed was never before another",
        ),
        pytest.param(
            # 3 was rolled back from; 4 came while 2 served.
            [entry(1, None), entry(2, 1), entry(3, 2, BAD), entry(4, 2)],
            4,
            [2, 1],
            id="the journal's order, and not that of the numbers",
        ),
        pytest.param(
            # From 3 back to 1, then forward to 3 again.
            [entry(1, None), entry(2, 1), entry(3, 2)],
            3,
            [2, 1],
            id="forward again, and back as before",
        ),
        pytest.param(
            [entry(1, None, BAD), entry(2, 1, BAD), entry(3, 2)], 3, [], id="none is good"
        ),
        pytest.param([entry(2, 3), entry(3, 2, BAD)], 3, [2], id="a circle ends"),
        pytest.param([entry(2, 3), entry(3, 2)], 3, [2], id="a circle of good ones ends too"),
    ],
)
def test_the_way_back(
    entries: list[dict[str, Any]], serving: int | None, way_back: list[int]
) -> None:
    found = journal(*entries)
    assert found.before(serving) == (way_back[0] if way_back else None)
    assert found.way_back(serving) == way_back


@pytest.mark.parametrize(
    ("entries", "serving", "count", "kept"),
    [
        pytest.param(STRAIGHT, 4, 5, {1, 2, 3, 4}, id="fewer than may stay"),
        pytest.param(STRAIGHT, 4, 2, {4, 3}, id="the newest"),
        pytest.param(STRAIGHT, 4, 0, {4}, id="the one that serves, whatever the count"),
        pytest.param(STRAIGHT, None, 2, {4, 3}, id="nothing serves"),
        pytest.param(STRAIGHT, 1, 2, {1, 4}, id="the one that serves is the oldest"),
        pytest.param(
            # Rolled back from 4 to the oldest, 1; then 5 came.
            [entry(1, None), entry(2, 1), entry(3, 2), entry(4, 3, BAD), entry(5, 1)],
            5,
            3,
            {5, 1, 3},
            id="the way back comes before what is newer",
        ),
        pytest.param(
            [entry(1, None), entry(2, 1, BAD), entry(3, 1, FAILED), entry(4, 1, BUILDING)],
            1,
            5,
            {1},
            id="only good ones have a place",
        ),
        pytest.param([*STRAIGHT, entry(5, 4, BAD)], 5, 2, {5, 4}, id="a bad one that serves"),
    ],
)
def test_retention_keeps(
    entries: list[dict[str, Any]], serving: int | None, count: int, kept: set[int]
) -> None:
    assert journal(*entries).to_keep(serving, count) == kept


def test_what_can_take_the_stage_again() -> None:
    entries = [
        entry(1, None, pruned=True),
        entry(2, 1, BAD),
        entry(3, 2, FAILED),
        entry(4, 2),
        entry(5, 4, BUILDING),
    ]
    assert [e["number"] for e in journal(*entries).on_disk()] == [4, 2]


def test_numbers_are_never_used_twice() -> None:
    found = journal(entry(1, None), entry(7, 1, FAILED, pruned=True))
    assert found.last_number() == 7
    for used in (1, 3, 7):
        with pytest.raises(GreenroomError, match=f"Release {used} is not a new number"):
            found.add(entry(used, 1))
    found.add(entry(8, 1))
    assert [e["number"] for e in found.entries] == [1, 7, 8]


def test_asking_for_one() -> None:
    found = journal(*STRAIGHT)
    assert found.find(3) == found.get(3) == entry(3, 2)
    assert found.find(9) is None
    with pytest.raises(GreenroomError, match=r"There is no release 9 in /nowhere/journal\.json\."):
        found.get(9)


def test_it_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    Journal(str(path), [entry(1, None, subject="Größe “1” — ✓")]).write()
    assert Journal.read(str(path)).entries == [entry(1, None, subject="Größe “1” — ✓")]
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["journal.json"]


def test_none_yet_is_an_empty_one(tmp_path: Path) -> None:
    path = str(tmp_path / "journal.json")
    assert (Journal.read(path).entries, Journal.read(path).last_number()) == ([], 0)
    assert not os.path.exists(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"releases": 3}',
        b'{"releases": [3]}',
        b'{"releases": [{"number": 1}]}',
        b'{"releases": [{"number": "1", "result": "good"}]}',
        b'{"releases": [{"number": 1, "result": null}]}',
    ],
)
def test_a_damaged_one_is_not_guessed_at(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(content)
    with pytest.raises(GreenroomError, match=r"journal\.json is damaged \(.+\)\. Put a copy"):
        Journal.read(str(path))
    assert path.read_bytes() == content


def test_it_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    Journal(str(path), STRAIGHT).write()
    assert json.loads(path.read_text()) == {"releases": STRAIGHT}
