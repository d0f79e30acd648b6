from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.files import HOOKS
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.rules import (
    RULES,
)

AT_HOME = {"app_branch": "live", "app_repository": "git@example.com:ada/blog.git"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        (
            {"app_domains": []},
            ["app_domains is empty; it should have the site's names, the main one first."],
        ),
        ({"app_media_path": "media/", "app_shared_paths": ["db.sqlite3", "media/"]}, []),
        (
            {"app_media_path": "media/", "app_shared_paths": ["media"]},
            ["app_media_path is 'media/'; it should be one of app_shared_paths, or empty."],
        ),
        ({"app_env": {"A": "1", "B": "a"}}, []),
        (
            {"app_env": "A=s3cret"},
            ["app_env is of type str; it should be a dictionary of names and strings."],
        ),
        (
            {"app_env": ["s3cret"]},
            ["app_env is of type list; it should be a dictionary of names and strings."],
        ),
        (
            {"app_env": {"A": 4711, "B-C": "s3cret"}},
            [
                "app_env.A is of type int; it should be a string: put it in quotes.",
                "app_env has a variable named 'B-C'; names are letters, digits and underscores, "
                "and start with no digit.",
            ],
        ),
        ({"merge": "feature-x", "rev": "", **AT_HOME}, []),
        (
            {"merge": "-x", "rev": "v2", "app_repository": "/srv/git/a.git"},
            ["merge is '-x'; it should be the name of a branch or bookmark."],
        ),
        (
            {
                "app_source_control": "hg",
                "app_repository": "hg@example.com:ada/blog",
                "checkout_controller_repository": "ssh://hg@example.com/ada/blog",
            },
            [
                "app_repository is 'hg@example.com:ada/blog', which is no address to Mercurial; it "
                "should be ssh://hg@example.com/ada/blog"
            ],
        ),
        (
            {**AT_HOME, "merge": "x", "app_source_control": "hg", "app_repository": "/srv/hg/a"},
            [
                "app_repository is '/srv/hg/a', a path on the host, and merge needs to reach it "
                "from this machine: set checkout_controller_repository, such as "
                "ssh://you@host//srv/hg/a."
            ],
        ),
        (
            {"merge": "live", "rev": "v2", **AT_HOME},
            [
                "merge is 'live', and rev is 'v2'; give one of them: what is deployed is live with "
                "the branch in it.",
                "merge is 'live', which is the branch of this environment itself; it should be "
                "another one.",
            ],
        ),
        (
            {"merge": "feature-x", **AT_HOME, "app_repository": "file:///srv/git/a.git"},
            [
                "app_repository is 'file:///srv/git/a.git', a path on the host, and merge needs to "
                "reach it from this machine: set checkout_controller_repository, such as "
                "ssh://you@host/srv/git/a.git."
            ],
        ),
        (
            {
                "merge": "feature-x",
                **AT_HOME,
                "app_repository": "/srv/git/a.git",
                "checkout_controller_repository": "ssh://ada@www/srv/git/a.git",
            },
            [],
        ),
        ({"app_hooks": dict.fromkeys(HOOKS, "hooks/a.yml")}, []),
        (
            {"app_hooks": {"afterwards": "a.yml"}},
            [f"app_hooks has 'afterwards'; the moments are {', '.join(HOOKS)}."],
        ),
        (
            {"app_name": "A", "app_branch": "-x", "app_databases": ["a b"]},
            [
                f"app_name is 'A'; it should be {RULES['app_name'][0]}.",
                "app_branch is '-x'; it should be the name of a branch or bookmark.",
                "app_databases has 'a b'; it should be a list of names of databases in the "
                "settings.",
            ],
        ),
    ],
)
def test_what_is_wrong_together(settings: dict[str, Any], found: list[str]) -> None:
    assert problems(settings) == found
