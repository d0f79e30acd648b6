"""What a host must show of its releases, whoever keeps them running."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any, Protocol

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


class Repository(Protocol):
    """What a release is deployed from, by git (Example) or Mercurial (HgExample)."""

    def set_branch(self, branch: str, revision: str, /) -> None:
        """Have the tip of a branch be a version of the example, v1 to v6."""

    def commit(self, files: dict[str, str], message: str, /) -> str:
        """Write files, commit and push them; the hash of what came of it."""


def configure(host: Host, **more: Any) -> None:
    """Have the host's playbooks use these settings too from now on."""
    path = host.last_inventory
    own = json.loads(path.read_text())["staging"]["hosts"][host.container]
    kept = {key: value for key, value in own.items() if key.startswith(("app_", "gunicorn_"))}
    kept["app_env"] = {**kept["app_env"], **NASTY}
    host.inventory(path, **{**kept, **more})


def deploy(host: Host, example: Repository, revision: str) -> None:
    """Move the environment's branch, and deploy its tip."""
    example.set_branch("staging", revision)
    host.playbook("deploy.yml")


def journal(host: Host) -> dict[int, dict[str, Any]]:
    """The journal's entries, oldest first, by their numbers."""
    entries = json.loads(host.run(["cat", f"{HOME}/journal.json"]).stdout)["releases"]
    return {entry["number"]: entry for entry in entries}


def serving(host: Host) -> int:
    """The release that answers, by its own word on the page."""
    page = host.get("/").text
    found = re.search(r'name="playbill-release" content="(\d+)"', page)
    assert found, page
    return int(found[1])


def stylesheet(host: Host) -> str:
    """The address of the page's style sheet."""
    found = re.search(r'href="(/static/playbill/playbill\.[0-9a-f]{12}\.css)"', host.get("/").text)
    assert found
    return found[1]


def version(host: Host) -> str:
    """The version of the example that answers."""
    found = re.search(r'name="playbill-version" content="(\w+)"', host.get("/").text)
    assert found
    return found[1]


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
    """Wait until release `number` alone runs; one that leaves has at most 40 seconds for it."""
    for _ in range(600):
        if running(host) == [number]:
            return
        time.sleep(0.1)
    raise AssertionError(f"{running(host)} run, and only {number} should")


def run_by_apache(host: Host) -> dict[int, list[int]]:
    """The processes of each release that Apache itself runs, by mod_wsgi."""
    listed = host.shell("ps -u playbill -o pid=,comm=").splitlines()
    found: dict[int, list[int]] = {}
    for pid, name in (line.split() for line in listed):
        if match := re.fullmatch(r"release-(\d+)", name):
            found.setdefault(int(match[1]), []).append(int(pid))
    return found


def wait_until_alone_in_apache(host: Host, number: int) -> None:
    """Wait until release `number` alone has processes in Apache."""
    for _ in range(600):
        if list(run_by_apache(host)) == [number]:
            return
        time.sleep(0.1)
    raise AssertionError(f"{run_by_apache(host)} run, and only {number} should")


def wait_until_up(host: Host) -> None:
    """Wait until the site answers."""
    for _ in range(150):
        if host.get("/health/").status == 200:
            return
        time.sleep(0.1)
    raise AssertionError("the site does not answer")


# -- what is the same under every service manager -------------------------------------------------


def check_environment(host: Host, number: int, foreign: str) -> None:
    """Its variables are those of the settings, byte for byte, and none begins with `foreign`."""
    read = f"import os, sys; sys.stdout.write(open('/proc/{master(host, number)}/environ').read())"
    told = host.run(["python3", "-X", "utf8", "-c", read]).stdout.split("\0")
    found = dict(line.split("=", 1) for line in told if line)
    assert {name: found[name] for name in NASTY} == NASTY
    assert (found["USER"], found["HOME"]) == ("playbill", f"{HOME}/shared")
    assert [name for name in found if name.startswith(foreign)] == []


def check_limits(host: Host, number: int, group: str, open_files: int = 4096) -> None:
    """It can become nobody else, and 300 MiB are for all of its processes together.

    group: the name of the control group that they are in
    """
    process = f"/proc/{master(host, number)}"
    limits = host.shell(f"cat {process}/limits")
    assert re.search(rf"Max open files +{open_files} +{open_files} ", limits)
    status = host.shell(f"cat {process}/status")
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^Umask:\s+0027$", status, re.MULTILINE)
    assert host.shell(f"stat -c %U {process}").strip() == "playbill"
    # One more process in the control group of all of the release's: 100 MiB fit in, 400 do not.
    grab = f"""
import glob, sys
for path in glob.glob("/sys/fs/cgroup/**/{group}/cgroup.procs", recursive=True):
    with open(path, "w") as file: file.write("0")
print(len(b"x" * (int(sys.argv[1]) * {MIB})))
"""
    assert host.run(["python3", "-c", grab, "100"]).stdout.strip() == str(100 * MIB)
    assert host.run(["python3", "-c", grab, "400"], check=False).stdout == ""
    wait_until_up(host)
    assert running(host) == [number]


def check_life_under_load(
    host: Host,
    example: Repository,
    alone: Callable[[Host, int], None] = wait_until_alone,
) -> None:
    """A deploy, a rollback and another deploy, and no request fails.

    alone: waits until a release alone runs
    """
    first = serving(host)
    with Load(host) as load:
        deploy(host, example, "v2")
        assert serving(host) == first + 1
        host.playbook("rollback.yml")
        assert serving(host) == first
        deploy(host, example, "v3")
        assert serving(host) == first + 2
    assert load.failures == 0, str(load)
    assert load.requests > 300, str(load)
    alone(host, first + 2)


#: crashes where visitors would be answered, and in no step before
FRIGHT = """
import sys

if {"gunicorn.arbiter", "mod_wsgi"} & set(sys.modules):
    raise RuntimeError("Stage fright")
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
"""


def check_crash_at_import(
    host: Host, example: Repository, alone: Callable[[Host, int], None] = wait_until_alone
) -> None:
    """A release that crashes where visitors are answered, and no check can see it, never serves.

    alone: waits until a release alone runs
    """
    now = serving(host)
    example.set_branch("staging", "v3")
    example.commit({"playbill/wsgi.py": FRIGHT}, "Stage fright")
    with Load(host) as load:
        run = host.playbook("deploy.yml", check=False)
    assert run.returncode != 0
    assert "RuntimeError: Stage fright" in run.stdout
    assert 'failed at "Start in the green room' in " ".join(run.stdout.split())
    assert f"Release {now} is current, as before." in run.stdout.replace("\n        ", " ")
    assert load.failures == 0, str(load)
    alone(host, now)


def check_log_is_private(host: Host, path: str) -> None:
    """The log of what serves is there, and not for the world."""
    now = serving(host)
    assert f"Listening at: unix:/run/playbill/{now}.sock" in host.run(["cat", path]).stdout
    assert host.run(["cat", path], user="nobody", check=False).returncode != 0


def check_restart_of_what_crashes(host: Host) -> None:
    """What is killed is started again."""
    now = serving(host)
    before = master(host, now)
    host.run(["kill", "-KILL", str(before)])
    time.sleep(0.5)
    wait_until_up(host)
    assert running(host) == [now]
    assert master(host, now) != before


def check_drain_by_hand(host: Host, stop: list[str], status: list[str], stopping: str) -> None:
    """A connection that is made in the moment after somebody stops it still gets its answer.

    stop, status: the commands; stopping: what the second one says while the first one is at work
    """
    number = serving(host)
    script = f"""
import http.client, socket, subprocess, time
stopping = subprocess.Popen({stop})
while b"{stopping}" not in subprocess.run({status}, stdout=subprocess.PIPE).stdout: time.sleep(0.05)
class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/playbill/{number}.sock")
ask = Connection("localhost"); ask.request("GET", "/health/")
print(ask.getresponse().status); stopping.wait()
"""
    said = host.run(["python3", "-c", script]).stdout
    assert "200" in said.splitlines()
    assert running(host) == []
