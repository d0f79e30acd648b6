"""Visitors behind a balancer: what they send speaks for no proxy, and no rule is gone around."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from host import Host, ansible_playbook, command, write_inventory
from project import SITE, Project

from tests.end_to_end.visitors import (
    CROWD,
    RULES,
    SPELLINGS,
    SPOOFED,
    ask,
    commit,
    in_its_circle,
    slow_visitor,
    told,
)


@pytest.fixture(
    scope="module", params=[in_its_circle(server) for server in ("nginx", "apache_proxy")]
)
def balanced(
    request: pytest.FixtureRequest,
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Host, Project]:
    """A balancer, and the project on the one host behind it."""
    host, balancer = start_host(image=provisioned_image), start_host()
    folder = tmp_path_factory.mktemp("balanced")
    project = Project.make(host, folder)
    commit(project)
    own = {
        **project.variables,
        "app_health_path": "/",
        "app_web_server": request.param,
        "web_server_extra": RULES[request.param],
        "web_server_connections_per_address": 3,
        "balancer_connections_per_address": 8,
        "app_backup_at": "",
    }
    inventory = write_inventory(folder / "staging", {host: own}, balancers=[balancer])
    for playbook in ("site.yml", "deploy.yml"):
        ansible_playbook(inventory, playbook)
    return balancer, project


def test_behind_a_balancer_its_word_alone_is_believed(balanced: tuple[Host, Project]) -> None:
    balancer, project = balanced
    us = command("ip", "-4", "route", "get", balancer.address).stdout.split("src ")[1].split()[0]
    plain = told(ask(balancer.address, "/tell/"))
    assert plain["meta"]["HTTP_X_FORWARDED_FOR"] == plain["meta"]["HTTP_X_REAL_IP"] == us
    assert plain["address"] == f"http://{SITE}/tell/"
    assert told(ask(balancer.address, "/tell/", *SPOOFED)) == plain
    past = told(ask(project.host.address, "/tell/", *SPOOFED))
    assert past == plain, "nor is a visitor who comes past it"
    names = ("Connection", "close, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP")
    assert told(ask(balancer.address, "/tell/", names)) == plain


def test_behind_a_balancer_no_spelling_goes_around_a_rule(balanced: tuple[Host, Project]) -> None:
    balancer, _ = balanced
    assert ask(balancer.address, "/internal/x").status == 403
    reached = [path for path in SPELLINGS if "secret" in ask(balancer.address, path).text]
    assert reached == []
    assert ask(balancer.address, "/internal/%2e%2E/x").status == 400
    assert ask(balancer.address, "/echo/a%2Fb..c").text == "a/b..c"


def test_behind_a_balancer_the_limit_is_each_visitor_s(
    balanced: tuple[Host, Project], attacker: Host
) -> None:
    """The limit of the host behind it is not the balancer's, by whom all of them come."""
    balancer, _ = balanced
    statuses = attacker.run(["python3", "-c", CROWD, balancer.address]).stdout.split()
    assert "200" in statuses
    assert "429" in statuses
    for _ in range(30):
        assert ask(balancer.address, "/tell/").status == 200


def test_one_address_does_not_shut_out_the_others_of_a_balancer(
    balanced: tuple[Host, Project], attacker: Host, request: pytest.FixtureRequest
) -> None:
    """With bodies, too, where nginx is behind it: what passes Apache holds a worker of the app."""
    balancer, _ = balanced
    nginx = request.node.callspec.params["balanced"] == "nginx"
    for kind in ["header", "body"] if nginx else ["header"]:
        with slow_visitor(attacker, balancer.address, kind):
            for _ in range(5):
                assert ask(balancer.address, "/tell/").status == 200
