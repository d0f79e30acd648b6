#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: hand_over
short_description: Put a release on stage
description:
  - Records in the journal what begins here, for the next run to recover if this one is
    interrupted. M(greenroom.django.record) ends it.
  - Has the release come up at boot, and points the app's C(current) at it with one rename. The web
    server finds the release's socket and static files below C(current) at every request, so new
    requests reach the new release from that moment on, with no reload.
  - Ends a maintenance that a rollback began, since it could serve only from now on.
  - Then requests the health page through the web server. A redirect of every visitor to https is as
    good as O(status). If the request fails, the previous release becomes current again at once, and
    the module fails.
  - The previous release keeps running. M(greenroom.django.record) drains and stops it.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.service_manager
  - greenroom.django.step.health
options:
  release:
    description: The number of the release. It must have proved itself.
    type: int
    required: true
  port:
    description: The port that the web server listens on.
    type: int
    default: 80
attributes:
  check_mode:
    support: full
    description: In check mode it says whether another release would take the stage.
  diff_mode:
    support: full
    description: The release on stage, before and after.
"""

EXAMPLES = r"""
- name: Put release 43 on stage
  greenroom.django.hand_over:
    app: blog
    release: 43
    host: www.example.com
    path: /health/
"""

RETURN = r"""
before:
  description: The number of the release that served before, 0 where there was none.
  returned: success
  type: int
"""

import os
import re
import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer, ask
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    is_on,
    switch_off,
    switch_on,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._recovery import begin_change
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of
from ansible_collections.greenroom.django.plugins.module_utils._workers import first_crash

TRIES = 3
NEWS = 10  # seconds: what answers once and dies, as it did when it proved itself, is not well


def is_good(answer: Answer, status: int, host: str) -> bool:
    """Whether what came through the web server is the site: the status, or its own way to https."""
    moved = answer.status in (301, 302, 307, 308)
    to_https = rf"https://{re.escape(host)}([:/?#].*)?"
    return answer.status == status or bool(moved and re.fullmatch(to_https, str(answer.location)))


def smoke(host: str, path: str, status: int, port: int = 80) -> Answer:
    """Ask through the web server, up to three times a second apart; the last answer."""
    for attempt in range(TRIES):
        answer = ask(path, host, port=port)
        if is_good(answer, status, host) or attempt == TRIES - 1:
            break
        time.sleep(1)
    return answer


def hand_over(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Take the stage, or give it back; the result of the module. Raises GreenroomError."""
    app, number = App(params["app"]), params["release"]
    service = service_of(app, params["service_manager"])
    before = app.serving()
    result = {
        "changed": before != number,
        "before": before or 0,
        "diff": {"before": f"on stage: {before}\n", "after": f"on stage: {number}\n"},
    }
    if check_mode or before == number:
        return result
    # The files of the release before go on being served, for pages that somebody has open.
    with app.open_backstage(number) as backstage:
        backstage.remove("before")
        if before:
            backstage.symlink("before", app.release(before))
    pending = begin_change(app, number)
    # Enabled first: whenever the power fails, the release on stage is one that comes up at boot.
    service.enable(number)
    # Closed by a rollback, since neither release could live with the database as it was meanwhile.
    closed = is_on(app) and pending.maintenance
    app.put_on_stage(number)
    if closed:
        switch_off(app)
    elif is_on(app):
        said = f"Nobody was asked through the web server: {app.maintenance} is there."
        return {**result, "warnings": [said]}
    answer = smoke(params["host"], params["path"], params["status"], params["port"])
    death = first_crash(service.log_since(number, time.time() - NEWS))
    if is_good(answer, params["status"], params["host"]) and not death:
        return result
    if closed:
        switch_on(app, f"release {number} did not take the stage")
    if before:
        app.put_on_stage(before)
    else:
        os.unlink(app.current)
    service.disable(number)
    raise GreenroomError(
        f"Release {number} answered in the green room, but through the web server {params['path']} "
        f"on {params['host']} should answer {params['status']}, and what came was {answer}"
        + (f", and its processes die ({death}). " if death else ". ")
        + (f"Release {before} is back on stage." if before else "Nothing serves.")
        + " Were app_domains or app_port changed? Then run site.yml first."
        + f" The last lines of its log:\n{service.log(number) or '(nothing)'}"
    )


def main() -> None:
    """What the engine runs."""
    run_module(hand_over)
