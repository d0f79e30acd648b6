from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.modules.find_release import choose, meant


class Source:
    """A repository that knows one tag and one branch, made after the releases."""

    counts = False

    def is_fetched(self) -> bool:
        return True

    def resolve(self, rev: str) -> str:
        known = {"late-tag": "b" * 40, "live": "c" * 40, "unreleased": "d" * 40}
        if rev not in known:
            raise GreenroomError(rev)
        return known[rev]

    def meaning(self, rev: str) -> str:  # noqa: ARG002 - as that of git
        return ""


class Counting(Source):
    """One in which plain numbers name commits."""

    counts = True

    def resolve(self, rev: str) -> str:
        known = {"2": "a" * 40, "42": "c" * 40, "7": "1234567" + "0" * 33, "4": "a" * 40}
        return known.get(rev) or super().resolve(rev)

    def meaning(self, rev: str) -> str:
        return f"the local number {rev}" if rev.isdigit() else f"the bookmark {rev}"


JOURNAL = Journal(
    "/nowhere",
    [
        {"number": 1, "revision": "a" * 40, "result": "good", "before": None, "tags": ["v1", "7"]},
        {"number": 2, "revision": "b" * 40, "result": "good", "before": 1, "tags": []},
        {"number": 3, "revision": "b" * 40, "result": "bad", "before": 2},
        {"number": 4, "revision": "f" * 40, "result": "failed", "before": 2},
        {"number": 5, "revision": "1234567" + "0" * 33, "result": "good", "before": 2},
        {"number": 6, "revision": "c" * 40, "result": "good", "before": 5, "pruned": True},
    ],
)
THERE = "5 (1234567), 3 (bbbbbbb), 2 (bbbbbbb), 1 (aaaaaaa)"


@pytest.mark.parametrize(
    ("serving", "rev", "number"),
    [
        (5, "", 2),
        (2, "", 1),
        (5, "1", 1),
        (5, "3", 3),  # a bad one can be asked for
        (1, "5", 5),
        (5, "5", 5),
        (5, "v1", 1),
        (5, "aaaaaaa", 1),
        (5, "AAAAAAAA", 1),
        (5, "b" * 40, 3),  # of two releases of one revision, the newer
        (5, "late-tag", 3),
        (5, "1234567", 5),  # all digits, and a commit
    ],
)
def test_what_is_meant(serving: int, rev: str, number: int) -> None:
    assert choose(JOURNAL, serving, rev, Source())["number"] == number  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("serving", "rev", "said"),
    [
        (1, "", f"There is no release to go back to from 1. Releases on this host: {THERE}."),
        (
            None,
            "",
            "There is no release to go back to from an empty stage. "
            f"Releases on this host: {THERE}.",
        ),
        (5, "42", f"rev is 42: there is no release 42 to go to. There are: {THERE}."),
        (5, "4", f"rev is 4: there is no release 4 to go to. There are: {THERE}."),  # it failed
        (5, "6", f"rev is 6: there is no release 6 to go to. There are: {THERE}."),  # it is gone
        *(
            (
                5,
                rev,
                f"rev is {rev!r}: that is no number, tag or commit of a release on this host. "
                f"There are: {THERE}.",
            )
            for rev in ("v9", "aaaaaa", "f" * 40, "live", "unreleased", "12345678")
        ),
    ],
)
def test_what_is_not_there_is_said_with_what_is(serving: int | None, rev: str, said: str) -> None:
    with pytest.raises(GreenroomError) as refused:
        choose(JOURNAL, serving, rev, Source())  # type: ignore[arg-type]
    assert str(refused.value) == said


def test_a_host_with_none() -> None:
    source: Any = Source()
    with pytest.raises(GreenroomError, match=r"Releases on this host: none\.$"):
        choose(Journal("/nowhere"), None, "", source)


@pytest.mark.parametrize(
    ("rev", "number", "said"),
    [
        ("2", 2, "by its own number, not the changeset 2:aaaaaaaaaaaa"),
        ("3", 3, ""),  # there is no such changeset
        ("7", 5, "the local number 7"),
        ("late-tag", 3, "the bookmark late-tag"),
    ],
)
def test_the_number_of_a_release_wins_over_a_local_number(rev: str, number: int, said: str) -> None:
    source: Any = Counting()
    journal = Journal("/nowhere", [{**e, "tags": []} for e in JOURNAL.entries])
    entry = choose(journal, 5, rev, source)
    assert (entry["number"], meant(entry, rev, source)) == (number, said)


@pytest.mark.parametrize("rev", ["4", "6"])
def test_the_number_of_a_release_that_is_gone_is_no_local_number(rev: str) -> None:
    source: Any = Counting()
    with pytest.raises(GreenroomError, match=rf"^rev is {rev}: there is no release {rev} to go to"):
        choose(JOURNAL, 5, rev, source)
