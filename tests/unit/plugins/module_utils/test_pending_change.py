"""A pending change is read from the journal as it was written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._pending_change import (
    PendingChange,
    Restore,
    Reversal,
    to_json,
)

WHOLE = PendingChange(
    6,
    True,
    Reversal(7, {"default": ["shop.1"], "archive": []}),
    Restore({"default": "fresh"}, {"default": "before"}, ["default"]),
)


@pytest.mark.parametrize("change", [PendingChange(), PendingChange(43), WHOLE])
def test_it_is_read_as_it_was_written(tmp_path: Path, change: PendingChange) -> None:
    path = str(tmp_path / "journal.json")
    Journal(path, pending=change).write()
    assert Journal.read(path).pending == change


def changed(**values: Any) -> dict[str, Any]:
    return {**to_json(WHOLE), **values}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        "handover",
        {"to": 6, "swap": {}},
        changed(target="6"),
        changed(target=True),
        changed(maintenance=1),
        changed(new="a field of a newer version"),
        changed(reversal={"release": 7}),
        changed(reversal={"release": 7, "applied": {"default": [1]}}),
        changed(reversal={"release": 7, "applied": {}, "new": 1}),
        changed(restore=[]),
        changed(restore={"restored": {"default": 1}, "replaced": {}, "lacking": []}),
        changed(restore={"restored": {}, "replaced": {}, "lacking": "default"}),
    ],
)
def test_one_that_is_unknown_is_refused(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "journal.json"
    path.write_text(json.dumps({"releases": [], "pending": content}))
    with pytest.raises(GreenroomError) as refused:
        Journal.read(str(path))
    said = str(refused.value)
    assert said.startswith(
        f"{path} has a pending change that this version of Greenroom does not know ("
    )
    assert json.dumps(content) in said
    assert said.endswith(
        "Deploy with the version that wrote it, which finishes or undoes the change. If the app is "
        'well as it is, remove "pending" from the file instead.'
    )
