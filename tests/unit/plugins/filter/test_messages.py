from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.greenroom.django.plugins.filter.messages import (
    FilterModule,
    age,
    deploy_summary,
    out_of_sync,
    promotable,
    refresh_summary,
    restore_summary,
    size,
    snapshot_table,
    status_table,
    verify_summary,
)


def test_the_names() -> None:
    assert FilterModule().filters() == {
        "out_of_sync": out_of_sync,
        "deploy_summary": deploy_summary,
        "promotable": promotable,
        "refresh_summary": refresh_summary,
        "restore_summary": restore_summary,
        "snapshot_table": snapshot_table,
        "status_table": status_table,
        "verify_summary": verify_summary,
    }


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172799, "48 h"),
        (172800, "2 days"),
        (86400 * 400, "400 days"),
    ],
)
def test_an_age(seconds: float, said: str) -> None:
    assert age(seconds) == said


def release(number: int, result: str, back: bool, **more: Any) -> dict[str, Any]:
    shown = {"number": number, "revision": f"{number}" * 40, "subject": f"Change {number}"}
    return {**shown, "by": "ada@laptop", "result": result, "back": back, "age": 180, **more}


def test_a_table_that_a_person_reads() -> None:
    status = {
        "serving": 3,
        "health": "healthy",
        "locked": "",
        "database": "",
        "pending": "",
        "releases": [
            release(12, "failed", False, age=9, by="bob@desk"),
            release(4, "bad", True, subject="x" * 60),
            release(3, "good", False),
            release(2, "good", True, age=200000),
        ],
    }
    assert status_table(status, "web1", "blog").splitlines() == [
        "blog on web1: release 3 serves, healthy",
        "     RELEASE  REVISION    AGE     BY          STATE                 SUBJECT",
        "     12       1212121212  9 s     bob@desk    failed                Change 12",
        f"     4        4444444444  3 min   ada@laptop  bad, can be gone to   {'x' * 50}",
        "  *  3        3333333333  3 min   ada@laptop  serves                Change 3",
        "     2        2222222222  2 days  ada@laptop  good, can be gone to  Change 2",
    ]


def test_a_host_with_no_release() -> None:
    status = {
        "serving": 0,
        "health": "nothing serves",
        "database": "",
        "locked": "ada@laptop",
        "pending": "",
        "releases": [],
    }
    assert status_table(status, "web1", "blog") == (
        "blog on web1: nothing serves; ada@laptop is at work now\n  (no release yet)\n"
    )


def test_a_change_that_is_pending() -> None:
    status = on(3, pending="a handover to release 3 is pending; beside it: release 2")
    assert status_table(status, "web1", "blog").splitlines()[0] == (
        "blog on web1: release 3 serves, healthy; a handover to release 3 is pending; beside it: "
        "release 2"
    )


DEPLOYED: dict[str, Any] = {"number": 43, "revision": "ab" * 20, "needed": True}
ROLLED: dict[str, Any] = {"number": 41, "revision": "cd" * 20, "needed": True, "direction": "back"}


@pytest.mark.parametrize(
    ("made", "action", "rehearsed", "said"),
    [
        (DEPLOYED, "deploy", False, "Release 43 (ababababab) serves www.example.com."),
        (
            {**DEPLOYED, "commits": ["1 a", "2 b"]},
            "deploy",
            False,
            "Release 43 (ababababab) serves www.example.com.\n  1 a\n  2 b",
        ),
        (
            {**DEPLOYED, "commits": ["1 a"]},
            "deploy",
            True,
            "Would deploy release 43 (ababababab).\n  1 a",
        ),
        ({"number": 43, "needed": True}, "deploy", True, "Would deploy release 43."),
        (
            {**DEPLOYED, "meant": "the bookmark spring"},
            "deploy",
            False,
            "Release 43 (ababababab, the bookmark spring) serves www.example.com.",
        ),
        (  # a merge that was only rehearsed
            {**DEPLOYED, "revision": "", "meant": "the branch live"},
            "deploy",
            True,
            "Would deploy release 43.",
        ),
        (
            {**DEPLOYED, "needed": False},
            "deploy",
            False,
            "Nothing to do: release 43 (ababababab) serves already.",
        ),
        (
            {**ROLLED, "needed": False},
            "rollback",
            True,
            "Nothing to do: release 41 (cdcdcdcdcd) serves already.",
        ),
        (
            ROLLED,
            "rollback",
            False,
            "Went back to release 41 (cdcdcdcdcd); it serves www.example.com.",
        ),
        (
            {**ROLLED, "direction": "forward"},
            "rollback",
            True,
            "Would go forward to release 41 (cdcdcdcdcd).",
        ),
    ],
)
def test_how_it_ended(made: dict[str, Any], action: str, rehearsed: bool, said: str) -> None:
    assert deploy_summary(made, action, "www.example.com", rehearsed) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (12 * 1024, "12 KiB"),
        (2**20 - 1, "1024 KiB"),
        (1500000, "1.4 MiB"),
        (3 * 2**40, "3072 GiB"),
    ],
)
def test_a_size(count: int, said: str) -> None:
    assert size(count) == said


def test_the_snapshots() -> None:
    assert snapshot_table([], "web1", "blog") == "snapshots of blog on web1:\n  (none yet)\n"
    snapshot = {
        "name": "7-20261121T150312Z",
        "age": 200,
        "size": 5000,
        "databases": ["default", "archive"],
        "by": "ada@laptop",
        "reason": "asked for",
    }
    assert snapshot_table([snapshot], "web1", "blog").splitlines() == [
        "snapshots of blog on web1:",
        "  NAME                AGE    SIZE     DATABASES         BY          REASON",
        "  7-20261121T150312Z  3 min  4.9 KiB  default, archive  ada@laptop  asked for",
    ]


def test_a_restore() -> None:
    result = {
        "migrated": {"default": ["shows.0002"], "archive": []},
        "replaced": {"default": "blog_before_20261121t150312z"},
    }
    assert restore_summary(result, "7-x").splitlines() == [
        "The databases are those of the snapshot 7-x.",
        "Applied to default what it lacked: shows.0002.",
        "What default was before is kept as blog_before_20261121t150312z.",
        "When nobody needs that any more: restore.yml -e drop_replaced=true",
    ]
    assert (
        restore_summary({}, "7-x", True)
        == "Would put the snapshot 7-x back: it is whole, and fits."
    )


def on(number: int, **different: Any) -> dict[str, Any]:
    """The status of a host of staging."""
    well = {"serving": number, "health": "healthy", "locked": "", "database": "", "pending": ""}
    return {**well, "releases": [release(9, "failed", False), release(number, "good", False)]} | (
        different
    )


def test_what_may_be_put_live() -> None:
    found = promotable([on(3), on(3)], ["s1", "s2"])
    assert (found["number"], found["revision"]) == (3, "3" * 40)


@pytest.mark.parametrize(
    ("statuses", "why"),
    [
        ([on(3), {}], "s2 was not asked, as with --limit."),
        ([on(3), on(4)], "its hosts do not serve the same release: s1 3 (3333333333), s2 4 (44444"),
        (
            [on(3, health="500 Oops; its service is active"), on(3)],
            "s1: 500 Oops; its service is a",
        ),
        ([on(3), on(3, locked="bob@desk")], "bob@desk is at work on s2."),
        ([on(3), on(3, database="the database lacks a.0002")], "s2: the database lacks a.0002."),
        ([on(3), on(0, health="nothing serves")], "s2: nothing serves; its hosts do not serve the"),
    ],
)
def test_what_may_not(statuses: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        promotable(statuses, ["s1", "s2"])
    said = "Staging is not fit to be put live; nothing was changed: "
    assert refused.value.message.startswith(said + why)


def test_the_table_tells_of_tests_and_gate() -> None:
    tested = {"tests": {"result": "failed"}, "gate": "opened by ada@laptop"}
    status = on(3, releases=[release(3, "good", False, **tested)])
    shown = status_table(status, "s1", "blog")
    assert "serves, tests failed, gate opened by ada@laptop  Change 3" in shown


def test_how_a_rehearsal_ended() -> None:
    found = {"name": "7-x", "age": 7200}
    swapped = {"migrated": {"default": ["shows.0002", "shows.0003"], "archive": []}, "seconds": 2}
    assert refresh_summary(found, swapped, 9, True).splitlines() == [
        "Release 9 of staging serves live's snapshot 7-x, of 2 h ago, made unrecognizable by your "
        "hook.",
        "Tried on live's data, in the database default: shows.0002, shows.0003.",
        "Its migrations took 2.0 seconds.",
    ]
    assert refresh_summary(found, {"migrated": {}, "seconds": 0.0}, 9, False).splitlines() == [
        "Release 9 of staging serves live's snapshot 7-x, of 2 h ago, with its users' data as it "
        "is.",
        "Live has all migrations of this release already, so none was tried.",
    ]
    assert refresh_summary(found, {}, 9, True) == (
        "Would put live's snapshot 7-x, of 2 h ago, into staging, made unrecognizable by your "
        "hook. It is whole, and fits."
    )


def test_what_outlived_a_trial() -> None:
    found = {"release": 8, "found": ["a row", "an upload"], "untried": ["the web server (why)"]}
    assert verify_summary(found, {"release": 7}).splitlines() == [
        "Release 8 found all that release 7 had written, and so did release 7:",
        "- a row",
        "- an upload",
        "Not tried: the web server (why).",
    ]
    assert verify_summary({}, {}, True).startswith("Would write a row and an upload, deploy, look")


@pytest.mark.parametrize(
    ("serving", "out", "said"),
    [
        ({"a": 42, "b": 42}, [], "Of c nothing is known."),
        ({"a": 42, "b": 42, "c": 42}, [], ""),
        (
            {"a": 42, "b": 42, "c": 41},
            ["c"],
            "c serves 41, the others 42.\nThe balancer sends nobody to c.",
        ),
        ({"a": 42, "b": 0, "c": 0}, [], "a serves 42, the others none."),
        ({"a": 42, "b": 42, "c": 0}, [], "c serves no release, the others 42."),
        ({"a": 41, "b": 42}, [], "a serves 41, the others 42.\nOf c nothing is known."),
    ],
)
def test_where_hosts_are_not_level(serving: dict[str, int], out: list[str], said: str) -> None:
    assert out_of_sync(serving, ["a", "b", "c"], out) == said
