from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([], []),
        ([{"path": "/?a=b", "contains": "“x”"}, {"path": "/", "status": "301"}], []),
        ([{"url": "https://a.example/b", "headers": {"Location": "https:"}}], []),
        (
            ["/"],
            ["app_smoke_pages has '/'; each should be a dictionary with a path or a url."],
        ),
        (
            [{"status": 200}],
            ["app_smoke_pages has {'status': 200}; each should be a dictionary with a path or"],
        ),
        (
            [{"path": "/", "text": "x"}],
            ["app_smoke_pages has a page with 'text'; there are path, url, status, contains, head"],
        ),
        *(
            (
                [{"path": "/", **wrong}],
                [f"app_smoke_pages has a page whose {name} is {value!r}; it should be "],
            )
            for wrong in (
                {"path": "a"},
                {"path": "/a\r\nb"},
                {"status": 99},
                {"contains": 5},
                {"headers": {"a": 5}},
                {"headers": ["a"]},
                {"green_room": "perhaps"},
            )
            for name, value in wrong.items()
        ),
        (
            [{"url": "ftp://a"}],
            [
                "app_smoke_pages has a page whose url is 'ftp://a'; it should be https://… or http://"
            ],
        ),
    ],
)
def test_pages_to_try(pages: Any, found: list[str]) -> None:
    said = problems({"app_smoke_pages": pages})
    assert [line.startswith(start) for line, start in zip(said, found, strict=True)] == [
        True
    ] * len(found)
