from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems

URLS = {"app_static_url": "/static/", "app_media_url": "/media/", "app_media_path": "media/"}


@pytest.mark.parametrize(
    ("domains", "said"),
    [
        (["example.com", "www.example.com", "*.example.com"], ""),
        ([".example.com", "example.org"], ""),
        ([], "app_domains is empty; it should have the site's names, the main one first."),
        (["a.example", "b.example", "A.example"], "app_domains has 'a.example' twice; it should"),
        (["www.example.com", ".example.com", "*.example.com"], "app_domains has '*.example.com' t"),
        (["*.example.com"], "app_domains begins with '*.example.com', and the first is the one"),
    ],
)
def test_the_names_of_a_site(domains: list[str], said: str) -> None:
    found = problems({"app_domains": domains})
    assert "\n".join(found).startswith(said)
    assert len(found) == bool(said)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, False),
        ({"app_static_url": "/media/"}, True),
        ({"app_media_url": "/static/media/"}, True),
        ({"app_static_url": "/media/static/"}, True),
        ({"app_media_url": "/static-media/"}, False),
        ({"app_static_url": "/media/", "app_media_path": ""}, False),  # nobody shows uploads
        # The app shows its own static files, but for those that uploads would hide.
        ({"app_media_url": "/static/media/", "web_server_serve_static": "no"}, False),
        ({"app_media_url": "/static/", "web_server_serve_static": False}, True),
    ],
)
def test_static_files_and_uploads_are_beside_each_other(
    settings: dict[str, Any], wrong: bool
) -> None:
    found = problems({**URLS, **settings})
    assert [line.partition(" is ")[0] for line in found] == ["app_static_url"] * wrong


@pytest.mark.parametrize("user", ["blog", "blog-build", "blog-push"])
def test_the_web_server_is_none_of_the_apps_users(user: str) -> None:
    (problem,) = problems({"app_name": "blog", "web_server_user": user})
    assert problem.startswith(f"web_server_user is {user!r}, which is one of the app's own users;")
    assert problems({"app_name": "blog", "web_server_user": "blogger"}) == []
