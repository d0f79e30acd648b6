"""The engine on a host, and what Ansible's own keywords mean to a step that it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from host import CHECKOUT, Host, PlaybookRun, ansible_environment, command
from moments import one_line

ENGINES = "/usr/local/lib/greenroom"
FOLDER = "/srv/playbill/shared/letters"
#: a step that a user's own play could have
CREATE = {"greenroom.django.shared_folder": {"app": "playbill", "path": "letters/"}}
STATUS = {"greenroom.django.status": {"app": "playbill", "host": "localhost"}}
#: a server takes the connection and never answers, and a step waits for it
SILENT = "import socket, time; s = socket.create_server(('127.0.0.1', 8099)); time.sleep(600)"
SLOW = {
    "greenroom.django.find_source_control": {
        "app": "playbill",
        "repository": "http://127.0.0.1:8099/blog.git",
    }
}
SUDOERS, PASSWORD = "/etc/sudoers.d/deploy", "sunset boulevard"


def play(host: Host, *tasks: Mapping[str, Any], **more: Any) -> PlaybookRun:
    """Run tasks on the host, as in a playbook of somebody's own."""
    env, arguments = more.pop("env", None), more.pop("arguments", [])
    content = [{"hosts": "all", "gather_facts": False, "become": True, "tasks": tasks, **more}]
    path = host.last_inventory.parent / "own.yml"
    path.write_text(json.dumps(content))
    return host.playbook(path, *arguments, env=env, check=False)


def changed(run: PlaybookRun) -> int:
    """How many tasks changed something; the run must have ended well."""
    assert run.returncode == 0, run.output
    return sum(counts["changed"] for counts in run.recap.values())


def engines(host: Host) -> set[str]:
    """The folders of engines on the host, and what half an installation could leave."""
    return set(host.shell(f"ls -A {ENGINES} | grep -E '^[0-9a-f]{{16}}$|^\\.' || true").split())


@pytest.fixture
def no_folder(host: Host) -> None:
    """Nothing is there yet."""
    host.shell(f"rm -rf {FOLDER}")


@pytest.mark.usefixtures("no_folder")
def test_check_mode_changes_nothing(host: Host) -> None:
    assert changed(play(host, CREATE, arguments=["--check"])) == 1
    host.shell(f"test ! -e {FOLDER}")
    assert changed(play(host, CREATE)) == 1
    assert changed(play(host, CREATE)) == 0
    assert changed(play(host, CREATE, arguments=["--check"])) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"nosuch": 1}, "nosuch. Supported parameters include: app, databases, host"),
        ({"host": None}, "missing required arguments: host"),
        ({"status": "well"}, "argument 'status' is of type str"),
    ],
)
def test_arguments_are_those_of_the_documentation(
    host: Host, arguments: dict[str, Any], said: str
) -> None:
    given = {**STATUS["greenroom.django.status"], **arguments}
    given = {name: value for name, value in given.items() if value is not None}
    run = play(host, {"greenroom.django.status": given})
    assert run.returncode != 0
    assert "greenroom.django.status: " in run.output
    assert said in one_line(run)


@pytest.mark.usefixtures("no_folder")
def test_an_option_that_is_a_setting_need_not_be_given(host: Host) -> None:
    """The host's inventory has app_name."""
    step = {"greenroom.django.shared_folder": {"path": "letters/"}}
    assert changed(play(host, step)) == 1
    assert changed(play(host, CREATE)) == 0
    run = play(host, step, arguments=["-e", "app_name="])
    assert run.returncode != 0
    assert "app is not given, and the variable app_name is not set" in one_line(run)


def test_a_result_can_be_registered_and_hidden(host: Host) -> None:
    show = {"ansible.builtin.debug": {"msg": "app {{ found.app | default('none') }}"}}
    secret = {**CREATE, "no_log": True}
    run = play(host, {**STATUS, "register": "found"}, show, secret, arguments=["-vvv"])
    assert run.returncode == 0, run.output
    assert "app " in run.stdout
    assert "censored" in run.stdout
    assert "letters" not in run.stdout, "nor in a command"


def test_a_task_s_environment_reaches_the_step(host: Host) -> None:
    """A step of a run works with the lock of that run, which it is told in its environment."""
    lock = {"greenroom.django.lock": {"app": "playbill"}, "register": "run"}
    step = {"greenroom.django.drop_replaced": {"app": "playbill"}}
    unlock = {"greenroom.django.unlock": {"app": "playbill", "holder": "{{ run.token }}"}}
    of_the_run = {"environment": {"GREENROOM_RUN": "{{ run.token }}"}}
    said = []
    for more in ({}, of_the_run):
        run = play(host, lock, {**step, **more, "ignore_errors": True}, {**unlock, **of_the_run})
        assert run.returncode == 0, run.output
        said.append(run.output)
    assert "is at work here" in said[0]
    assert "is at work here" not in said[1]


@pytest.mark.usefixtures("no_folder")
def test_run_once_and_delegate_to(host: Host) -> None:
    """The one that is delegated to needs nothing but Python."""
    elsewhere = {**CREATE, "delegate_to": host.container, "run_once": True}
    run = play(host, elsewhere, hosts="localhost", become=False)
    assert run.returncode != 0, "the folder is root's, and nobody became root"
    run = play(host, {**elsewhere, "become": True}, hosts="localhost")
    assert changed(run) == 1
    host.shell(f"test -d {FOLDER}")


def test_a_timeout_ends_the_task(host: Host) -> None:
    host.run(["sudo", "systemd-run", "--quiet", "python3", "-c", SILENT])
    run = play(host, {**SLOW, "timeout": 2})
    assert run.returncode != 0
    assert re.search(r"Timed out after 2|2 second\(s\)", run.output), run.output


def test_until_tries_again(host: Host) -> None:
    once_more = {**STATUS, "register": "found", "until": "found.attempts == 2", "retries": 3}
    show = {"ansible.builtin.debug": {"msg": "it took {{ found.attempts }}"}}
    run = play(host, {**once_more, "delay": 0}, show)
    assert "it took 2" in run.stdout


# -- the ways to a host ----------------------------------------------------------------------------


@pytest.fixture(params=["no password", "a sudo password"])
def become(request: pytest.FixtureRequest, host: Host) -> Iterator[list[str]]:
    """What ansible-playbook has to be told, so that it may become root."""
    if request.param == "no password":
        yield []
        return
    inside = ("docker", "exec", "--interactive", host.container, "sh", "-c")
    rule = "deploy ALL=(ALL:ALL) ALL\n"
    command(*inside, f"echo 'deploy:{PASSWORD}' | chpasswd; cat >{SUDOERS}", input=rule)
    try:
        yield ["-e", json.dumps({"ansible_become_password": PASSWORD})]
    finally:
        command(*inside, f"cat >{SUDOERS}", input="deploy ALL=(ALL:ALL) NOPASSWD: ALL\n")


@pytest.mark.parametrize("pipelining", ["true", "false"])
@pytest.mark.parametrize("there", [True, False], ids=["an engine is there", "none is"])
def test_over_ssh(host: Host, become: list[str], pipelining: str, there: bool) -> None:
    if not there:
        command("docker", "exec", host.container, "sh", "-c", f"rm -rf {ENGINES}/*")
    command("docker", "exec", host.container, "rm", "-rf", FOLDER)
    env = {"ANSIBLE_PIPELINING": pipelining}
    assert changed(play(host, CREATE, env=env, arguments=become)) == 1
    assert changed(play(host, CREATE, env=env, arguments=become)) == 0
    said = play(host, STATUS, env=env, arguments=[*become, "-vvv"]).output
    assert PASSWORD not in said
    assert ("Escalation succeeded" in said) == bool(become), "else nothing is waited for"
    assert ("printf %s" in said) != bool(become), "the request goes with the command"


@pytest.mark.parametrize("become", ["a sudo password"], indirect=True)
def test_a_sudo_password_that_is_not_given(host: Host, become: list[str]) -> None:
    """Nothing was sent before sudo has said no."""
    run = play(host, STATUS)
    assert run.returncode != 0
    assert "Missing sudo password" in one_line(run)
    assert play(host, STATUS, arguments=become).returncode == 0


@pytest.fixture(scope="module")
def oldest(checkout: Path) -> Path:
    """The programs of the oldest ansible-core that the collection takes."""
    command("make", ".cache/oldest/made-of", cwd=checkout)
    return checkout / ".cache/oldest/bin"


@pytest.mark.usefixtures("no_folder")
def test_with_the_oldest_ansible(host: Host, oldest: Path) -> None:
    path = host.last_inventory.parent / "own.yml"
    for expected in (1, 0):
        path.write_text(json.dumps([{"hosts": "all", "become": True, "tasks": [CREATE]}]))
        argv: list[str | Path] = ["-i", host.last_inventory, path]
        program = oldest / "ansible-playbook"
        run = command(program, *argv, cwd=CHECKOUT, env=ansible_environment({}))
        assert f"changed={expected} " in run.stdout


# -- the engine itself -----------------------------------------------------------------------------


def test_a_host_without_an_engine(host: Host) -> None:
    host.shell(f"rm -rf {ENGINES}/*")
    assert changed(play(host, STATUS, arguments=["--check"])) == 0
    assert engines(host) == set(), "check mode leaves none"
    assert host.shell("ls -d /tmp/greenroom-* || true") == ""
    assert changed(play(host, STATUS)) == 0
    (engine,) = engines(host)
    host.shell(f"find {ENGINES}/{engine} -name '*.pyc' | grep -q .")
    foreign = f"find {ENGINES}/{engine} ! -user root -o -perm /022"
    assert host.shell(foreign) == ""


def test_an_engine_that_came_half_is_replaced(host: Host) -> None:
    """As after a host was restored from a copy that was made meanwhile."""
    (engine,) = engines(host)
    host.shell(f"rm {ENGINES}/{engine}/engine.py; mkdir {ENGINES}/.new-left")
    assert changed(play(host, STATUS)) == 0
    assert engine in engines(host)
    host.shell(f"test -e {ENGINES}/{engine}/engine.py")


def test_another_version_gets_an_engine_of_its_own(host: Host, tmp_path: Path) -> None:
    """The collection in another place, with one line more, as a newer controller has it."""
    before = engines(host)
    other = tmp_path / "ansible_collections/greenroom/django"
    other.mkdir(parents=True)
    command("cp", "-a", CHECKOUT / "plugins", CHECKOUT / "meta", CHECKOUT / "roles", other)
    with (other / "plugins/modules/status.py").open("a") as file:
        file.write("# newer\n")
    env = {"ANSIBLE_COLLECTIONS_PATH": str(tmp_path)}
    assert changed(play(host, STATUS, env=env)) == 0
    assert len(engines(host)) == len(before) + 1
    assert changed(play(host, STATUS)) == 0
    assert len(engines(host)) == len(before) + 1
