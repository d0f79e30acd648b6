"""What tasks and plays are called: an imperative that names its object, short enough for a line."""

from __future__ import annotations

import re

import pytest

from tests.unit.roles.project import ROOT, load, task_files, tasks


def split(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


LONGEST = 60  # characters, without what Jinja fills in
# A name begins with one of these. Add a verb that says what is done: not "Have", "Let", "See",
# "Say", "Tell", "Look", "Make", "Ask" or "Do".
VERBS = split(
    """
    Adopt Allow Apply Build Check Collect Configure Copy Create Deploy Describe Destroy Disable
    Drain Enable End Explain Fail Fetch Find Hand Import Install Keep Link Load Lock Merge Pack
    Plan Prepare Probe Promote Raise Read Record Refresh Refuse Reload Remove Report
    Request Restart Restore Reverse Revert Roll Run Save Schedule Select Set Show Start Stop Swap
    Take Turn Unlock Unpack Validate Verify Wait Write
    """
)
# A name has a noun in the place of each of these.
PRONOUNS = split(
    """
    it them they he she him her this these those that one ones what which who whom whose where why
    whether other others somebody someone something anybody nobody
    """
)
DETERMINERS = split("this these other one")  # before a noun: this host, one snapshot
MOLECULE = sorted(path for path in ROOT.glob("molecule/**/*.yml") if path.name != "molecule.yml")


def faults(name: str) -> list[str]:
    """What is wrong with the name of a task."""
    text = re.sub(r"\{\{.*?\}\}", "", name)
    words = re.findall(r"[\w'-]+", text)
    found = []
    if not words or words[0] not in VERBS:
        found.append(f"begins with {words[0] if words else 'nothing'!r}: no verb of VERBS")
    if len(words) < 2:
        found.append("names no object")
    if len(text) > LONGEST:
        found.append(f"has {len(text)} characters: {LONGEST} at most")
    for number, word in enumerate(words):
        last = number + 1 == len(words)
        if word.lower() not in PRONOUNS or (word in DETERMINERS and not last):
            continue
        if word == "that" and words[:1] == ["Check"] and number == 1:  # Check that …
            continue
        found.append(f"says {word!r} in the place of a noun")
    return found


NAMES = [
    pytest.param(task.get("name", ""), id=f"{path.relative_to(ROOT)}: {task.get('name', number)}")
    for path in [*task_files(), *MOLECULE]
    if path.name not in ("galaxy.yml", "requirements.yml")
    for number, task in enumerate(tasks(load(path)))
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_an_imperative_with_its_object(name: str) -> None:
    assert faults(name) == []


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("Have the databases change places", "begins with 'Have'"),
        ("The release is started", "begins with 'The'"),
        ("Begin", "names no object"),
        ("Read it", "says 'it'"),
        ("Keep the roles of others", "says 'others'"),
        ("Install what fetches code", "says 'what'"),
        ("Prepare the balancer, where there is one", "says 'where'"),
        ("Reverse migrations that are pending", "says 'that'"),
        ("Check the host, and that the disk has room", "says 'that'"),
        ("Write the settings of the app, and the settings of the web server too", "characters"),
        ("", "begins with"),
    ],
)
def test_other_names_are_refused(name: str, fault: str) -> None:
    assert any(fault in found for found in faults(name)), faults(name)


@pytest.mark.parametrize(
    "name",
    [
        "Check that the host can take pushes",
        "Create release {{ number }}",
        "Hand over on {{ batch | join(', ') }} of this environment",
    ],
)
def test_these_are_accepted(name: str) -> None:
    assert faults(name) == []
