# PRIVATE to the collection: the settings that name pages to try.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    Check,
    between,
    is_boolean,
    is_list,
    matches,
)

# The same for what is in each of app_smoke_pages.
RULES_OF_PAGES: dict[str, tuple[str, Check]] = {
    "path": ("a path that begins with a slash", matches(r"/[!-~]*")),
    "url": ("https://… or http://…", matches(r"https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?")),
    "status": ("an HTTP status, 200 to 599", between(200, 599)),
    "contains": ("a text", lambda value: isinstance(value, str)),
    "headers": (
        "a dictionary of texts",
        lambda value: (
            isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())
        ),
    ),
    "green_room": ("yes or no", is_boolean),
}


def problems_of_pages(pages: Any) -> list[str]:
    """What is wrong with the pages to try."""
    found = []
    for page in pages if is_list(pages) else [pages]:
        if not isinstance(page, Mapping) or ("path" in page) == ("url" in page):
            found.append(
                f"app_smoke_pages has {page!r}; each should be a dictionary with a path or a url."
            )
            continue
        for name, value in page.items():
            if name not in RULES_OF_PAGES:
                known = ", ".join(RULES_OF_PAGES)
                found.append(f"app_smoke_pages has a page with {name!r}; there are {known}.")
            elif not RULES_OF_PAGES[name][1](value):
                should = RULES_OF_PAGES[name][0]
                found.append(
                    f"app_smoke_pages has a page whose {name} is {value!r}; it should be {should}."
                )
    return found
