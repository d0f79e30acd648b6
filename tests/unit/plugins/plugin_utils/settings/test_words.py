from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems

AT_HOME = {"app_branch": "live", "app_repository": "git@example.com:ada/blog.git"}


@pytest.mark.parametrize(
    ("action", "word", "said"),
    [
        (
            "rollback",
            "merge",
            "merge is 'x', and rollback.yml takes none; deploy.yml merges a branch.",
        ),
        (
            "promote",
            "rev",
            "rev is 'x', and promote.yml takes none; deploy.yml and rollback.yml go to",
        ),
        ("rollback", "rev", ""),
        ("deploy", "rev", ""),
        ("restore", "rev", "rev is 'x', and restore.yml takes none"),
    ],
)
def test_words_for_other_playbooks(action: str, word: str, said: str) -> None:
    found = problems({"release_action": action, word: "x", **AT_HOME})
    assert "\n".join(found).startswith(said)
    assert len(found) == bool(said)
