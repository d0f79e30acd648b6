# PRIVATE to the collection: asking a site for pages as a visitor does, from the controller.
from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TRIES = 3
PAUSE = 1.0  # seconds between two of them
LIMIT = 10 * 2**20  # bytes of a page that are looked at


@dataclass(frozen=True)
class Answer:
    """What came of a question; ``status`` is 0 where nothing did, and ``reason`` says why."""

    status: int
    reason: str
    headers: Mapping[str, str]
    text: str


def fault(page: Mapping[str, Any], base: str, host: str) -> str:
    """What is wrong with a page, in a sentence; nothing where it is as it should be.

    ``page`` has a ``url``, or a ``path`` that is asked for at ``base`` in the name of ``host``. Its
    ``status``, ``headers`` and what it ``contains`` are what should come. It is asked for again
    where that does not: a connection may fail for once.
    """
    url = str(page.get("url") or base + str(page["path"]))
    found = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        found = judge(page, ask(url, "" if page.get("url") else host))
        if not found:
            return ""
    return f"{page.get('url') or page['path']} {found}."


def judge(page: Mapping[str, Any], answer: Answer) -> str:
    """What is wrong with an answer."""
    wanted = int(page.get("status", 200))
    if answer.status != wanted:
        to = f" to {answer.headers['location']}" if "location" in answer.headers else ""
        came = f"{answer.status} {answer.reason}{to}" if answer.status else answer.reason
        return f"should answer {wanted}, and what came was {came}"
    for name, value in page.get("headers", {}).items():
        there = answer.headers.get(name.lower())
        if there is None or value not in there:
            has = "none" if there is None else repr(there)
            return f"should have the header {name} with {value!r} in it, and has {has}"
    if page.get("contains", "") not in answer.text:
        return f"should have {page['contains']!r} in it, and has not"
    return ""


def ask(url: str, host: str, timeout: float = 10.0) -> Answer:
    """GET an address, in the name of ``host`` where one is given; redirects are answers."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    headers = {"User-Agent": "Greenroom", "Connection": "close", **({"Host": host} if host else {})}
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read(LIMIT).decode("utf-8", "replace")
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response.reason, fields, body)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Answer(0, f"no answer ({error or type(error).__name__})", {}, "")
    finally:
        connection.close()
