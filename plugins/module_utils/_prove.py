# PRIVATE to the collection: having a release start, and answer, in the green room.
from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer, ask
from ansible_collections.greenroom.django.plugins.module_utils._pages import Page, faults, listed
from ansible_collections.greenroom.django.plugins.module_utils._service import Service
from ansible_collections.greenroom.django.plugins.module_utils._workers import first_crash

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


def start_and_prove(
    service: Service,
    number: int,
    host: str,
    path: str,
    status: int,
    timeout: float,
    pages: Sequence[Page] = (),
) -> Answer:
    """Start a release, and ask for its health page until it answers ``status``; that answer.

    Then it is asked for ``pages``, as a web server without TLS would ask. Raises GreenroomError,
    with the last lines of the release's log, when the answer does not come within ``timeout``
    seconds, or a page is not as it should be.
    """
    started, began = time.monotonic(), time.time()

    def asked() -> Answer:
        left = max(1.0, started + timeout - time.monotonic())
        return ask(path, host, green_room=service.green_room(number), timeout=left)

    def page(wanted: Page) -> Answer:
        return ask(str(wanted["path"]), host, green_room=service.green_room(number), scheme="http")

    try:
        service.start(number)
        answer = wait_for(asked, status, timeout, lambda: service.is_active(number))
        if answer.status != status:
            raise GreenroomError(
                f"Release {number} did not prove itself: {path} should answer {status}, and what "
                f"came was {answer}. Its service is {service.state(number)}."
            )
        if found := faults(pages, page):
            raise GreenroomError(
                f"Release {number} did not prove itself. {listed(found, len(pages))}\n"
            )
        if death := first_crash(service.log_since(number, began)):
            raise GreenroomError(
                f"Release {number} did not prove itself: it answered, but its processes die "
                f"({death})."
            )
    except GreenroomError as error:
        raise GreenroomError(
            f"{error} The last lines of its log:\n{service.log(number) or '(nothing)'}"
        ) from error
    return answer
