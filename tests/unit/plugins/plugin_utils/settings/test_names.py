from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.names import (
    meant_by,
    names_of_roles,
    own_names,
    problems_of_names,
    problems_of_typed,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.words import WORDS

from tests.unit.roles.project import ROLES, of_role, options_of_role

SETTINGS = [name for role in ROLES for name in options_of_role(role)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("app_healt_path", "app_health_path"),
        ("app_domain", "app_domains"),
        ("app_keep_release", "app_keep_releases"),
        ("gunicorn_worker", "gunicorn_workers"),
        ("web_server_serves_static", "web_server_serve_static"),
        ("database_pasword", "database_password"),
        ("push_key", "push_keys"),
        ("balancer_time_out", "balancer_timeout"),
        ("backup_at", "app_backup_at"),  # without the prefix, or with one too many
        ("app_gunicorn_workers", "gunicorn_workers"),
        ("webserver_user", "web_server_user"),  # not even the prefix is right
    ],
)
def test_a_name_that_is_near_a_setting(name: str, meant: str) -> None:
    assert meant_by(name, SETTINGS) == meant
    assert problems_of_names([name], SETTINGS, []) == [
        f"{name} is not a setting; did you mean {meant}? Rename it if it is a variable of your own."
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("app_team", "app_user", "app_version", "app_media_root", "app_static_root", "app_title"),
        *("database_name", "database_host", "backup_bucket", "push_gateway", "gunicorn_log_level"),
        *("web_server_name", "release_manager", "secret_key", "port", "revision", "domains", "url"),
        *("ansible_app_name", "app_secret_key", "app_owner", "app_database_name", "app_timezone"),
    ],
)
def test_a_name_of_ones_own(name: str) -> None:
    assert problems_of_names([name], SETTINGS, []) == []


def test_settings_themselves_and_what_follows_from_them_are_fine() -> None:
    assert problems_of_names([*SETTINGS, *own_names()], SETTINGS, own_names()) == []


def test_the_names_that_are_our_own() -> None:
    computed = {name for role in ROLES for name in of_role(role, "vars/main.yml")}
    assert names_of_roles() >= computed
    assert own_names() > computed
    assert {"app_home", "app_environment"} < computed
    assert {"release_action", "batch"} < own_names() - computed  # a play's, and a loop's
    assert own_names().isdisjoint(SETTINGS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("app_home", "Greenroom computes it"),
        ("release_number", "Greenroom computes it"),
        ("release_action", "Greenroom computes it"),
        ("revv", "did you mean rev?"),
        ("waitt", "did you mean wait?"),
        ("targets", "did you mean target?"),
        ("allow_database_behead", "did you mean allow_database_ahead?"),
        ("app_healt_path", "did you mean app_health_path?"),
        ("branch", "did you mean app_branch?"),
        ("keep_releases", "did you mean app_keep_releases?"),
    ],
)
def test_a_name_that_nobody_asked_for(name: str, said: str) -> None:
    (problem,) = problems_of_typed([name], SETTINGS, WORDS, own_names())
    assert problem.startswith(f"{name} (-e) is ")
    assert said in problem


def test_what_may_be_typed() -> None:
    own = ["env", "url", "ticket", "app_team", "dev", "colour", "ansible_user", "ansible_revv"]
    assert problems_of_typed([*own, *WORDS, *SETTINGS], SETTINGS, WORDS, own_names()) == []
