# PRIVATE to the collection: asking a site for the pages that its users list, and judging them.
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.greenroom.django.plugins.module_utils._http import Answer, ask

TRIES = 3
PAUSE = 1.0  # seconds between two of them

Page = Mapping[str, Any]


def visitor(address: str, port: int, host: str) -> Callable[[Page], Answer]:
    """One who asks at a host's address in the name of the site, and for whole addresses there."""

    def asked(page: Page) -> Answer:
        if not page.get("url"):
            return ask(str(page["path"]), host, address=address, port=port)
        to = urlsplit(str(page["url"]))
        path = (to.path or "/") + (f"?{to.query}" if to.query else "")
        return ask(path, to.netloc, scheme=to.scheme, address=to.hostname or "", port=to.port)

    return asked


def faults(pages: Iterable[Page], asked: Callable[[Page], Answer]) -> list[str]:
    """What is wrong with pages, a sentence for each that is not as it should be.

    A page has a ``path``, or a whole ``url``. Its ``status``, ``headers`` and what it ``contains``
    are what should come.
    """
    return [found for page in pages if (found := fault(page, asked))]


def fault(page: Page, asked: Callable[[Page], Answer]) -> str:
    """What is wrong with a page; nothing where it is as it should be.

    It is asked for again where that does not come: a connection may fail for once.
    """
    found = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        found = judge(page, asked(page))
        if not found:
            return ""
    return f"{page.get('url') or page['path']} {found}."


def judge(page: Page, answer: Answer) -> str:
    """What is wrong with an answer."""
    wanted = int(page.get("status", 200))
    if answer.status != wanted:
        return f"should answer {wanted}, and what came was {answer}"
    for name, value in page.get("headers", {}).items():
        there = answer.headers.get(name.lower())
        if there is None or value not in there:
            has = "none" if there is None else repr(there)
            return f"should have the header {name} with {value!r} in it, and has {has}"
    if page.get("contains", "") not in answer.text:
        return f"should have {page['contains']!r} in it, and has not"
    return ""


def listed(found: list[str], count: int) -> str:
    """What is wrong with some of ``count`` pages, for a person to read."""
    lines = "".join(f"\n- {sentence}" for sentence in found)
    return f"Of {count} pages, these are not as they should be:{lines}"
