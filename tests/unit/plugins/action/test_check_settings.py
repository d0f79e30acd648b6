from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are not among the pins
from ansible import context
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible_collections.greenroom.django.plugins.action import check_settings

ROLES = Path(__file__).parents[4] / "roles"
GOOD: dict[str, Any] = {
    "app_name": "blog",
    "app_repository": "git@example.com:ada/blog.git",
    "app_domains": ["www.example.com"],
}


def test_the_options_of_all_roles() -> None:
    expected: dict[str, Any] = {}
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        expected |= yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
    assert check_settings.options_of_roles() == expected
    assert {"app_name", "app_port", "gunicorn_workers", "checkout_token"} <= expected.keys()


class Action(check_settings.ActionModule):
    """The action, with a templar that fills in one name."""

    def __init__(self) -> None:
        template = lambda _, value: "blog" if value == "{{ name }}" else value  # noqa: E731 - a method
        self._templar: Any = type("Templar", (), {"template": template})()
        self._loader = DataLoader()


def run(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> dict[str, Any]:
    monkeypatch.setattr(ActionBase, "run", lambda *_: None)
    return Action().run(task_vars={"unrelated": object(), **settings})


def test_good_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, **GOOD) == {"changed": False}
    assert run(monkeypatch, **{**GOOD, "app_name": "{{ name }}"}) == {"changed": False}


def test_one_report_for_all_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**GOOD, "app_port": "eighty", "app_env": {"KEY": 4711}, "app_keep_releases": 1}
    del settings["app_repository"]
    assert run(monkeypatch, **settings) == {
        "failed": True,
        "msg": "These settings are not right:\n"
        "- app_repository is not set; it should be git@host:path, ssh://…, https://… without a "
        "password in it, or an absolute path on the host.\n"
        "- app_port is 'eighty'; it should be the number of a port, 1 to 65535.\n"
        "- app_keep_releases is '1'; it should be 2 or more.\n"
        "- app_env.KEY is of type int; it should be a string: put it in quotes.",
    }


@pytest.mark.parametrize("command", ["", "true"])
def test_the_gate_is_not_taken_away_in_passing(
    monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(
        check_settings, "load_extra_vars", lambda _: {"app_functional_tests": command}
    )
    mine = {**GOOD, "app_functional_tests": command, "inventory_dir": "/tmp"}
    found = run(monkeypatch, **mine, app_environment="live").get("msg", "")
    assert f"app_functional_tests is {command!r} on the command line" in found
    assert "-e allow_untested=true" in found
    assert "on the command line" not in run(monkeypatch, **mine, app_environment="staging").get(
        "msg", ""
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- name: Sweep\n  ansible.builtin.ping:\n", ""),
        ("- name: [\n", "app_hooks.before_build is 'hook.yml', which cannot be read: "),
        ("name: Sweep\n", "app_hooks.before_build is 'hook.yml'; it should be a file with tasks."),
        ("- Sweep\n", "app_hooks.before_build is 'hook.yml'; it should be a file with tasks."),
    ],
)
def test_hooks_are_read_before_their_moment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "hook.yml").write_text(text)
    hooks = {"app_hooks": {"before_build": "hook.yml"}, "inventory_dir": str(tmp_path)}
    found = run(monkeypatch, **GOOD, **hooks)
    assert found.get("failed", False) == bool(said)
    assert said in found.get("msg", "")


def test_one_thing_is_said_of_a_hook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hooks = {"app_hooks": {"whenever": __file__}, "inventory_dir": str(tmp_path)}
    assert len(run(monkeypatch, **GOOD, **hooks)["msg"].splitlines()) == 2


WEB = {"web1": {"ansible_host": "192.0.2.1"}, "web2": {"database_address": "192.0.2.2"}}
HOSTVARS = {**WEB, "db1": {"ansible_host": "db1.example.com"}}


@pytest.mark.parametrize(
    ("settings", "groups", "said"),
    [
        ({}, {"live": ["web1", "web2"]}, ""),
        ({"app_database": "postgresql"}, {"live": ["web1"], "staging": ["web2"]}, ""),
        ({"app_database": "postgresql"}, {"live": ["web1", "web2"], "database": ["web2"]}, ""),
        (
            {"app_database": "postgresql"},
            {"live": ["web1", "web2"]},
            "web1, web2 need one database",
        ),
        (
            {"app_database": "postgresql"},
            {"live": ["web1"], "database": ["db1"]},
            "The address of db1 is 'db1.example.com'",
        ),
        (  # a run with both inventories cannot tell whose they are
            {"app_database": "postgresql"},
            {"live": ["web1"], "staging": ["web2"], "database": ["db1", "db2"]},
            "",
        ),
    ],
)
def test_where_the_database_is(
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    groups: dict[str, list[str]],
    said: str,
) -> None:
    facts = {"groups": groups, "group_names": ["live"], "hostvars": HOSTVARS}
    result = run(monkeypatch, **GOOD, **settings, **facts)
    assert result.get("failed", False) is bool(said)
    assert said in result.get("msg", "")


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"live": ["web1"], "balancer": ["web2"]}, ""),
        ({"live": ["web1"], "balancer": ["db1"]}, "The address of db1 is 'db1.example.com'"),
        # to promote.yml, the host of staging has nothing to do with the balancer of live
        ({"live": ["web1"], "staging": ["db1"], "balancer": ["web2"]}, ""),
    ],
)
def test_where_the_balancer_is(
    monkeypatch: pytest.MonkeyPatch, groups: dict[str, list[str]], said: str
) -> None:
    facts = {"groups": groups, "group_names": ["live"], "hostvars": HOSTVARS}
    result = run(monkeypatch, **GOOD, **facts)
    assert result.get("failed", False) is bool(said)
    assert said in result.get("msg", "")


@pytest.mark.parametrize(
    ("defined", "typed", "playbook", "said"),
    [
        ({"app_team": "stage"}, {"ticket": "4"}, "deploy.yml", []),
        ({"app_healt_path": "/x"}, {}, "deploy.yml", ["app_healt_path is not a setting; did you"]),
        # What a play before this one has registered is in the variables of the next.
        ({"release_status": {}, "database_found": {}}, {"wait": "5"}, "deploy.yml", []),
        ({}, {"app_home": "/etc"}, "site.yml", ["app_home (-e) is not a setting: Greenroom"]),
        (
            {},
            {"revv": "x"},
            "deploy.yml",
            ["revv (-e) is neither a setting nor a word o"],
        ),
        ({}, {"migrations": "keep"}, "deploy.yml", ["migrations is 'keep', and deploy.yml takes"]),
        ({}, {"migrations": "keep"}, "rollback.yml", []),
    ],
)
def test_names_that_are_none(
    monkeypatch: pytest.MonkeyPatch,
    defined: dict[str, Any],
    typed: dict[str, Any],
    playbook: str,
    said: list[str],
) -> None:
    monkeypatch.setattr(check_settings, "load_extra_vars", lambda _: typed)
    path = str(ROLES.parent / "playbooks" / playbook)
    monkeypatch.setattr(context, "CLIARGS", {"args": (path,)})
    found = run(monkeypatch, **GOOD, **defined, **typed).get("msg", "").splitlines()[1:]
    assert [line[2 : 2 + len(start)] for line, start in zip(found, said, strict=True)] == said
