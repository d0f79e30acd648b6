"""Releases under supervisor: a host moves to it from systemd while it serves, and back in the end.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from example import Example
from host import Host, Load

HOME = "/srv/playbill"
MIB = 2**20

#: what an ini file, a shell and supervisor would each make something else of
NASTY = {
    "QUOTES": "say \"hi\" and 'bye'",
    "PERCENT": "100% %(program_name)s %%",
    "DOLLARS": "$HOME ${HOME} `id` $(id)",
    "SPACES": "  two  before; and # after  ",
    "LINES": "first\nsecond\n[program:x]\ncommand=/bin/false\n",
    "BACKSLASH": "C:\\new\\",
    "WORDS": "Größe 🎭",
}


def configure(host: Host, **more: Any) -> None:
    """Have the host's playbooks use these settings too from now on."""
    path = host.last_inventory
    own = json.loads(path.read_text())["staging"]["hosts"][host.container]
    kept = {key: value for key, value in own.items() if key.startswith(("app_", "gunicorn_"))}
    kept["app_env"] = {**kept["app_env"], **NASTY}
    host.inventory(path, **{**kept, **more})


def deploy(host: Host, example: Example, revision: str) -> None:
    """Move the environment's branch, and deploy its tip."""
    example.set_branch("staging", revision)
    host.playbook("deploy.yml")


def serving(host: Host) -> int:
    """The release that answers, by its own word on the page."""
    page = host.get("/").text
    found = re.search(r'name="playbill-release" content="(\d+)"', page)
    assert found, page
    return int(found[1])


def programs(host: Host) -> dict[str, str]:
    """The states of supervisor's programs, as supervisorctl shows them."""
    lines = host.run(["supervisorctl", "status"], check=False).stdout.splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


def running(host: Host) -> list[int]:
    """The releases that have a master process, once for each, whoever started it."""
    masters = """
import glob, os, re
for path in glob.glob("/proc/[0-9]*"):
    try:
        with open(path + "/cmdline", "rb") as file: words = file.read().decode().split("\\0")
        with open(path + "/stat") as file: parent = file.read().rpartition(")")[2].split()[1]
        with open(f"/proc/{parent}/cmdline", "rb") as file: above = file.read().decode()
    except OSError: continue
    line = " ".join(words)
    found = re.search(r"/srv/playbill/releases/(\\d+)/.venv/bin/gunicorn", line)
    if found and "gunicorn --config" not in above.replace("\\0", " "): print(found[1])
"""
    return sorted(int(word) for word in host.run(["python3", "-c", masters]).stdout.split())


def master(host: Host, number: int) -> int:
    """The process of a release's master, which is the oldest of gunicorn's."""
    pattern = f"{HOME}/releases/{number}/.venv/bin/gunicorn"
    return int(host.run(["pgrep", "--oldest", "--full", pattern]).stdout)


def wait_until_alone(host: Host, number: int) -> None:
    """Wait until release `number` alone runs; the one that left has a second to drain."""
    for _ in range(100):
        if running(host) == [number]:
            return
        time.sleep(0.1)
    raise AssertionError(f"{running(host)} run, and only {number} should")


def wait_until_up(host: Host) -> None:
    """Wait until the site answers."""
    for _ in range(150):
        if host.get("/health/").status == 200:
            return
        time.sleep(0.1)
    raise AssertionError("the site does not answer")


@pytest.fixture(scope="module")
def stage(host: Host, playbill: Example) -> Host:
    """A host that serves release 1 under systemd, and has been told since to use supervisor."""
    deploy(host, playbill, "v1")
    more = {"gunicorn_memory_max": "300M", "gunicorn_drain": 3}
    configure(host, app_service_manager="supervisor", **more)
    return host


def test_the_host_must_be_prepared_for_it(stage: Host) -> None:
    before = stage.checksum("/etc", HOME)
    run = stage.playbook("deploy.yml", check=False)
    assert "This host is not prepared to run playbill under supervisor" in run.stdout
    assert stage.checksum("/etc", HOME) == before
    assert serving(stage) == 1


def test_a_host_moves_to_it_while_it_serves(stage: Host) -> None:
    stage.playbook("site.yml")
    stage.shell(
        "printf '[program:other]\\ncommand=/bin/sleep 1000000\\n' "
        ">/etc/supervisor/conf.d/other.conf && supervisorctl update"
    )
    with Load(stage) as load:
        # The same revision: it is the service manager that is another one.
        stage.playbook("deploy.yml")
        assert serving(stage) == 2
    assert load.failures == 0, str(load)
    assert running(stage) == [2], "the one before has ended, and nothing is served twice"
    assert programs(stage).keys() == {"playbill@2", "other"}
    units = stage.shell("systemctl list-units --all --plain --no-legend 'playbill@*'")
    assert units == ""
    assert stage.shell("find /etc/systemd/system -name 'playbill@*'") == ""


def test_the_environment_is_the_same_byte_for_byte(stage: Host) -> None:
    read = f"import os, sys; sys.stdout.write(open('/proc/{master(stage, 2)}/environ').read())"
    told = stage.run(["python3", "-X", "utf8", "-c", read]).stdout.split("\0")
    found = dict(line.split("=", 1) for line in told if line)
    assert {name: found[name] for name in NASTY} == NASTY
    assert (found["USER"], found["HOME"]) == ("playbill", f"{HOME}/shared")
    assert [name for name in found if name.startswith("SUPERVISOR")] == []


def test_its_limits_are_those_of_the_settings(stage: Host) -> None:
    process = f"/proc/{master(stage, 2)}"
    assert re.search(r"Max open files +4096 +4096 ", stage.shell(f"cat {process}/limits"))
    status = stage.shell(f"cat {process}/status")
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert stage.shell(f"stat -c %U {process}").strip() == "playbill"
    # One more process in the control group of all of the release's: 100 MiB fit in, 400 do not.
    grab = f"""
import glob, sys
for path in glob.glob("/sys/fs/cgroup/**/playbill-2.scope/cgroup.procs", recursive=True):
    with open(path, "w") as file: file.write("0")
print(len(b"x" * (int(sys.argv[1]) * {MIB})))
"""
    assert stage.run(["python3", "-c", grab, "100"]).stdout.strip() == str(100 * MIB)
    assert stage.run(["python3", "-c", grab, "400"], check=False).stdout == ""
    wait_until_up(stage)
    assert running(stage) == [2]


def test_a_deploy_and_a_rollback_under_load(stage: Host, playbill: Example) -> None:
    with Load(stage) as load:
        deploy(stage, playbill, "v2")
        assert serving(stage) == 3
        stage.playbook("rollback.yml")
        assert serving(stage) == 2
        deploy(stage, playbill, "v3")
        assert serving(stage) == 4
    assert load.failures == 0, str(load)
    assert load.requests > 5_000, str(load)
    wait_until_alone(stage, 4)


def test_no_other_program_was_touched(stage: Host) -> None:
    """And whoever types `supervisorctl update` for another program touches no release."""
    now = serving(stage)
    pids = f"supervisorctl pid other; supervisorctl pid playbill@{now}"
    before = stage.shell(pids)
    update = stage.shell("supervisorctl update")
    assert f"playbill@{now}" not in update
    assert "other" not in update
    assert stage.shell(pids) == before
    starts = stage.shell("grep -c \"spawned: 'other'\" /var/log/supervisor/supervisord.log")
    assert starts.strip() == "1"


def test_a_crash_at_import_never_serves(stage: Host, playbill: Example) -> None:
    """One that comes in gunicorn alone, where no check can see it."""
    now = serving(stage)
    playbill.set_branch("staging", "v3")
    playbill.commit({"playbill/wsgi.py": 'raise RuntimeError("Stage fright")\n'}, "Stage fright")
    with Load(stage) as load:
        run = stage.playbook("deploy.yml", check=False)
    assert run.returncode != 0
    assert "RuntimeError: Stage fright" in run.stdout
    assert f"Release {now} serves, as before." in run.stdout.replace("\n        ", " ")
    assert load.failures == 0, str(load)
    wait_until_alone(stage, now)


def test_the_logs_are_not_for_the_world(stage: Host) -> None:
    now = serving(stage)
    reads = ["cat", f"/var/log/supervisor/playbill/playbill@{now}.log"]
    assert f"Listening at: unix:/run/playbill/{now}.sock" in stage.run(reads).stdout
    assert stage.run(reads, user="nobody", check=False).returncode != 0


def test_what_crashes_is_started_again(stage: Host) -> None:
    now = serving(stage)
    before = master(stage, now)
    stage.run(["kill", "-KILL", str(before)])
    time.sleep(0.5)
    wait_until_up(stage)
    assert running(stage) == [now]
    assert master(stage, now) != before


def test_a_release_never_runs_twice(stage: Host) -> None:
    """The programs of a supervisor that is killed go on, until the next one starts them again."""
    now = serving(stage)
    before = master(stage, now)
    stage.shell("systemctl kill --signal=KILL supervisor; sleep 1")
    assert stage.get("/health/").status == 200, "what serves does not need it"
    stage.shell("systemctl restart supervisor")
    for _ in range(100):
        if programs(stage).get(f"playbill@{now}") == "RUNNING":
            break
        time.sleep(0.2)
    wait_until_up(stage)
    assert running(stage) == [now]
    assert master(stage, now) != before


def test_whoever_stops_it_by_hand_drains_it(stage: Host) -> None:
    """A connection that is made in the moment after still gets its answer."""
    number = serving(stage)
    script = f"""
import http.client, socket, subprocess, time
stopping = subprocess.Popen(["supervisorctl", "stop", "playbill@{number}"])
status = ["supervisorctl", "status", "playbill@{number}"]
while b"STOPPING" not in subprocess.run(status, stdout=subprocess.PIPE).stdout: time.sleep(0.05)
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/playbill/{number}.sock")
ask = Connection("localhost"); ask.request("GET", "/health/")
print(ask.getresponse().status); stopping.wait()
"""
    said = stage.run(["python3", "-c", script]).stdout
    assert "200" in said.splitlines()
    assert running(stage) == []
    stage.run(["supervisorctl", "start", f"playbill@{number}"])
    assert stage.get("/health/").status == 200


def test_status_says_how_it_is(stage: Host) -> None:
    now = serving(stage)
    assert f"release {now} serves, healthy" in stage.playbook("status.yml").stdout
    assert stage.playbook("site.yml").recap[stage.container]["changed"] == 0


def test_the_current_release_alone_comes_up_after_a_reboot(stage: Host, playbill: Example) -> None:
    """One that was still in the green room does not."""
    now = serving(stage)
    stage.shell(
        "ln -s /run/greenroom/playbill@99.conf /etc/supervisor/conf.d/playbill@99.conf;"
        f"sed s/@{now}/@99/ /etc/supervisor/conf.d/playbill@{now}.conf "
        ">/run/greenroom/playbill@99.conf"
    )
    stage.reboot()
    playbill.follow(stage)
    wait_until_up(stage)
    assert serving(stage) == now
    assert running(stage) == [now]
    assert "playbill@99" not in programs(stage)


def test_a_host_moves_back_while_it_serves(stage: Host, playbill: Example) -> None:
    before = serving(stage)
    configure(stage, app_service_manager="systemd")
    stage.playbook("site.yml")
    with Load(stage) as load:
        deploy(stage, playbill, "v6")
        assert serving(stage) > before
        stage.playbook("rollback.yml")
        assert serving(stage) == before
    assert load.failures == 0, str(load)
    wait_until_alone(stage, before)
    assert programs(stage).keys() == {"other"}
    assert stage.shell("ls /etc/supervisor/conf.d").split() == ["other.conf"]
