from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import problems

AT_HOME = {"app_branch": "live", "app_repository": "git@example.com:ada/blog.git"}


TESTED = {"app_environment": "staging", "app_repository": "git@host:a.git"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"app_functional_tests": "sh -c true"}, []),
        ({"app_functional_tests": "./run 'a b'"}, []),
        ({"app_functional_tests": "manage.py test"}, []),
        (
            {"app_functional_tests": "no-such-program 'a b'"},
            [
                "app_functional_tests is \"no-such-program 'a b'\", and no-such-program is no "
                "program of this machine, where the tests run."
            ],
        ),
        (
            {"app_functional_tests": "sh", "app_repository": "/srv/git/a.git"},
            [
                "app_repository is '/srv/git/a.git', a path on the host, and app_functional_tests "
                "needs to reach it from this machine: set checkout_controller_repository, such as "
                "ssh://you@host/srv/git/a.git."
            ],
        ),
        ({"app_functional_tests": "no-such-program", "app_environment": "live"}, []),
        (
            {"release_action": "functional_tests"},
            ["app_functional_tests is empty; it should be the command that runs your tests."],
        ),
        (
            {"release_action": "functional_tests", "app_environment": "live"},
            [
                "Functional tests write what they like, so they run on staging; this is live. Give "
                "the other inventory: -i inventories/staging"
            ],
        ),
    ],
)
def test_functional_tests(settings: dict[str, Any], said: list[str]) -> None:
    assert problems({**TESTED, **settings}) == said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "merge is 'x', and live takes only what has passed its functional tests on staging,"),
        ({"allow_untested": "true"}, ""),
        ({"app_environment": "staging", "app_functional_tests": "sh"}, ""),
        ({"app_functional_tests": ""}, ""),
    ],
)
def test_a_merge_on_live_cannot_have_been_tested(settings: dict[str, Any], said: str) -> None:
    live = {"app_environment": "live", "app_functional_tests": "pytest", "merge": "x", **AT_HOME}
    found = problems({**live, **settings})
    assert "\n".join(found).startswith(said)
    assert len(found) == bool(said)


def test_where_upstart_runs_cron_must_know_the_time_of_the_backups() -> None:
    at = {"app_backup_at": "Sat *-*~07/1", "app_service_manager": "upstart"}
    found = problems(at)
    assert [text.split(", ")[0] for text in found] == ["app_backup_at is 'Sat *-*~07/1'"]
    assert "it should be hourly, daily, weekly" in found[0]
    for fine in ({"app_backup_at": "Mon..Fri 22:00"}, {"app_backup_at": ""}):
        assert problems({**at, **fine}) == []
    assert problems({**at, "app_service_manager": "supervisor"}) == []


def test_apache_runs_releases_itself_or_does_not() -> None:
    both = {"app_web_server": "apache", "app_service_manager": "mod_wsgi"}
    assert problems(both) == problems({**both, "app_python": "python3"}) == []
    (problem,) = problems({**both, "app_service_manager": "supervisor"})
    assert problem.endswith("leave that out, or set app_web_server to apache_proxy.")
    (problem,) = problems({**both, "app_web_server": "nginx"})
    assert problem.endswith("app_web_server is 'nginx'; it should be apache.")
    (problem,) = problems({**both, "app_python": "python3.12"})
    assert problem.startswith("app_python is 'python3.12'; with app_web_server apache it should")
    assert problems({**both, "gunicorn_open_files": "8192"}) == []
    (problem,) = problems({**both, "gunicorn_open_files": 8193})
    assert problem.startswith("gunicorn_open_files is 8193; with app_web_server apache it should")
