#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: prove
short_description: Start a release in the green room, and have it prove itself
description:
  - Starts the service of a release, and asks it for its health page on its own socket, as a visitor
    would that came by https. Nobody else can reach it yet.
  - Waits for the first answer until the time is up. An answer with another status is asked for
    twice more, a second apart, and then is a failure; so is a redirect that is not the expected
    status.
  - A failure says what came, and shows the last lines of the release's own log.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
options:
  app:
    description: The name of the app.
    type: str
    required: true
  release:
    description: The number of the release.
    type: int
    required: true
  host:
    description: The site's own name, for the Host header.
    type: str
    required: true
  path:
    description: The path of the health page.
    type: str
    default: /
  status:
    description: The HTTP status that a healthy release answers.
    type: int
    default: 200
  timeout:
    description: How long the release may take until it answers, in seconds.
    type: int
    default: 30
  service_manager:
    description: What keeps the app's releases running.
    type: str
    choices: [systemd]
    default: systemd
attributes:
  check_mode:
    support: full
    description: In check mode nothing is started or asked.
  diff_mode:
    support: none
    description: There is nothing to compare.
"""

EXAMPLES = r"""
- name: Have release 43 prove itself
  greenroom.django.prove:
    app: blog
    release: 43
    host: www.example.com
    path: /health/
"""

RETURN = r"""
status:
  description: The HTTP status that it answered.
  returned: when not in check mode
  type: int
seconds:
  description: From the start of the service to the good answer, in seconds.
  returned: when not in check mode
  type: float
"""

import time
from collections.abc import Callable
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer, ask
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of

OPTIONS = {
    "app": {"type": "str", "required": True},
    "release": {"type": "int", "required": True},
    "host": {"type": "str", "required": True},
    "path": {"type": "str", "default": "/"},
    "status": {"type": "int", "default": 200},
    "timeout": {"type": "int", "default": 30},
    "service_manager": {"type": "str", "choices": ["systemd"], "default": "systemd"},
}

WRONG_ANSWERS = 3


def wait_for(
    asked: Callable[[], Answer],
    status: int,
    timeout: float,
    is_up: Callable[[], bool],
    pause: float = 1.0,
) -> Answer:
    """Ask until the answer has the ``status``, or there is no hope; the last answer.

    There is none when ``timeout`` seconds are over, when the service went down, or when it answered
    otherwise three times, ``pause`` seconds apart.
    """
    deadline = time.monotonic() + timeout
    wrong = 0
    while True:
        answer = asked()
        if answer.status == status:
            return answer
        if answer.status is not None:
            wrong += 1
        if wrong == WRONG_ANSWERS or time.monotonic() > deadline or not is_up():
            return answer
        time.sleep(pause if answer.status is not None else 0.05)


def prove(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Start, ask, judge; the result of the module. Raises GreenroomError."""
    app, number = App(params["app"]), params["release"]
    service = service_of(app, params["service_manager"])
    running = service.is_active(number)
    if check_mode:
        return {"changed": not running}
    started = time.monotonic()

    def asked() -> Answer:
        left = max(1.0, started + params["timeout"] - time.monotonic())
        return ask(params["path"], params["host"], unix_socket=app.socket(number), timeout=left)

    try:
        service.start(number)
        answer = wait_for(
            asked, params["status"], params["timeout"], lambda: service.is_active(number)
        )
        if answer.status != params["status"]:
            raise GreenroomError(
                f"Release {number} did not prove itself: {params['path']} should answer "
                f"{params['status']}, and what came was {answer}. "
                f"Its service is {service.state(number)}."
            )
    except GreenroomError as error:
        raise GreenroomError(
            f"{error} The last lines of its log:\n{service.log(number) or '(nothing)'}"
        ) from error
    return {
        "changed": not running,
        "status": answer.status,
        "seconds": round(time.monotonic() - started, 3),
    }


def main() -> None:
    """What Ansible runs."""
    run_module(OPTIONS, prove)


if __name__ == "__main__":
    main()
