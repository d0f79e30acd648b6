#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: canary
short_description: Write a row and an upload, and look whether a later release still has them
description:
  - With the Django of the release that serves, as the app's user, writes a row into each database,
    in a table C(greenroom_trial) of its own, and saves a small upload in the default storage.
  - Another call, when another release serves, looks for the rows and for the upload's content; in
    the storage, and through the web server where that serves the uploads.
  - What is not there is told with the setting that is wrong, and is no failure, since what wrote it
    can still be gone back to.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.databases
options:
  state:
    description:
      - V(written) writes the marks, V(there) looks for them, V(removed) removes them, with those
        that an earlier trial left in the databases.
    type: str
    choices: [written, there, removed]
    default: written
  written:
    description: What O(state=written) answered, for the other two.
    type: dict
    default: {}
  host:
    description: The site's name, to ask the web server for the upload.
    type: str
    default: localhost
  port:
    description: The web server's port.
    type: int
    default: 80
  media_url:
    description: The path below which the web server serves uploads; empty where it serves none.
    type: str
    default: ""
  timeout:
    description: How long Django may take, in seconds.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    description: In check mode nothing is written, looked for or removed.
  diff_mode:
    support: none
    description: The marks are of no interest to people.
"""

EXAMPLES = r"""
- name: Write the canary
  greenroom.django.canary:
    app: blog
  register: marked

- name: Check the canary after a deploy
  greenroom.django.canary:
    app: blog
    state: there
    written: "{{ marked }}"
    media_url: /media/

- name: Remove the canary
  greenroom.django.canary:
    app: blog
    state: removed
    written: "{{ marked }}"
"""

RETURN = r"""
mark:
  description: What was written.
  returned: success
  type: str
release:
  description: The release that wrote it.
  returned: success
  type: int
rows:
  description: For each database, where it is.
  returned: with O(state=written), when not in check mode
  type: dict
upload:
  description: The upload's name in the storage, empty where none was saved, and where that is.
  returned: with O(state=written), when not in check mode
  type: dict
found:
  description: What is there, in words.
  returned: with O(state=there), when not in check mode
  type: list
  elements: str
lost:
  description: What is not there, and why, a sentence each.
  returned: with O(state=there), when not in check mode
  type: list
  elements: str
untried:
  description: What could not be tried, and why, in words.
  returned: with O(state=there), when not in check mode
  type: list
  elements: str
"""

import secrets
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.greenroom.django.plugins.module_utils import _marks_process
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import serving_release
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    read_manifest,
    start_django,
)
from ansible_collections.greenroom.django.plugins.module_utils._environment import without_secrets
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import ask
from ansible_collections.greenroom.django.plugins.module_utils._local_settings import named_values
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module

STEPS = {"written": "write", "there": "look", "removed": "remove"}


def ask_django(app: App, number: int, mark: str, params: dict[str, Any]) -> dict[str, Any]:
    """Have the release that serves do the step; its answer. Raises GreenroomError."""
    request = {
        "steps": [STEPS[params["state"]]],
        "databases": params["databases"],
        "mark": mark,
        "upload": params["written"].get("upload", {}).get("name", ""),
        "tree": app.release(number),
    }
    try:
        answer: dict[str, Any] = start_django(
            app, number, read_manifest(app, number), request, params["timeout"], _marks_process
        )
    except GreenroomError as error:
        message = without_secrets(str(error), named_values(app, number))
        raise GreenroomError(message) from None
    return answer


def lost_rows(rows: dict[str, Any], number: int, written: dict[str, Any]) -> list[str]:
    """Which rows are not there, and why."""
    said = []
    for alias, row in rows.items():
        if row["there"]:
            continue
        before, now = written["rows"][alias], row["where"]
        said.append(
            f"The row that release {written['release']} wrote to the database {alias!r} is not "
            f"there for release {number}. "
            + (
                f"It is {now}, and was {before}. "
                if now != before
                else f"It is {now} for both; somebody else emptied it. "
            )
            + "A database must be the same one for all releases: a database file in the tree is "
            "one of app_shared_paths, and no part of its path has a release's number."
        )
    return said


def lost_upload(upload: dict[str, Any], number: int, written: dict[str, Any]) -> list[str]:
    """Whether the upload is not there, and why."""
    if not upload["name"] or upload["there"]:
        return []
    before, now = written["upload"]["where"], upload["where"]
    return [
        f"The upload that release {written['release']} saved is not there for release {number}. "
        + (
            f"Uploads are in {now}, and were in {before}. "
            if now != before
            else f"It was in {now}. "
        )
        + "The folder of MEDIA_ROOT must be the same one for all releases, and on all hosts: one "
        "of app_shared_paths, where it is in the tree."
    ]


def look_through_web_server(
    upload: dict[str, Any], mark: str, params: dict[str, Any]
) -> tuple[str, str, str]:
    """Ask for the upload as a visitor: what was found, what was not tried, and what is wrong."""
    path = urlsplit(upload["url"]).path if upload["url"].startswith("/") else ""
    if not params["media_url"] or not path.startswith(params["media_url"]):
        why = (
            f"its address is {upload['url'] or 'none'}"
            if params["media_url"]
            else "app_media_path is empty"
        )
        return "", f"the upload through the web server ({why})", ""
    answer = ask(path, params["host"], port=params["port"])
    if answer.status in (301, 302, 307, 308) and str(answer.location).startswith("https://"):
        return "", "the upload through the web server (it leads to https)", ""
    if answer.status == 200 and answer.body == mark.encode():
        return "the upload through the web server", "", ""
    return (
        "",
        "",
        f"The upload is in {upload['where']}, and the web server does not show it: {path} on "
        f"{params['host']} answers {answer}. app_media_path should name that folder as "
        "app_shared_paths does, and app_media_url be MEDIA_URL; then run site.yml.",
    )


def look(app: App, number: int, params: dict[str, Any]) -> dict[str, Any]:
    """Look for all of the marks; what was found and what was not, in words."""
    written = params["written"]
    try:
        answer = ask_django(app, number, written["mark"], params)
    except (
        GreenroomError
    ) as error:  # the way back is still to be tried, and the marks to be removed
        return {"found": [], "lost": [str(error)], "untried": []}
    upload = answer["upload"]
    wrong = lost_rows(answer["rows"], number, written) + lost_upload(upload, number, written)
    rows = answer["rows"].items()
    found = [
        f"a row in the database {alias} ({row['where']})" for alias, row in rows if row["there"]
    ]
    untried = []
    if not upload["name"]:
        untried.append(f"an upload ({written['upload']['untried']})")
    elif upload["there"]:
        found.append(f"an upload in {upload['where']}")
        shown, left, unseen = look_through_web_server(upload, written["mark"], params)
        found += [shown] if shown else []
        untried += [left] if left else []
        wrong += [unseen] if unseen else []
    return {"found": found, "lost": wrong, "untried": untried}


def canary(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write, look or remove; the result of the module. Raises GreenroomError."""
    app, state = App(params["app"]), params["state"]
    number = serving_release(app)
    mark = params["written"].get("mark") or secrets.token_hex(16)
    result = {"changed": state != "there", "mark": mark, "release": number}
    if check_mode:
        return result
    if state == "there":
        return {**result, **look(app, number, params)}
    if state == "written":
        ask_django(app, number, mark, {**params, "state": "removed"})  # of one that was cut off
    try:
        answer = ask_django(app, number, mark, params)
    except GreenroomError:
        with suppress(GreenroomError):  # that it could not be written is the news
            ask_django(app, number, mark, {**params, "state": "removed"})
        raise
    rows = {alias: row["where"] for alias, row in answer["rows"].items()}
    return {**result, "rows": rows, "upload": answer["upload"]}


def main() -> None:
    """What the engine runs."""
    run_module(canary, in_a_run=False)  # before, between and after the runs of a trial
