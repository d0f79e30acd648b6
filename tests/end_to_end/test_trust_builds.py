"""What runs as the build user or as the app for a step is confined, and ends with its step.

Each test is somebody who has code in one place and wants more: in the setup.py of a dependency, in
a build command, in a worker of the service. They are a story on one host, told in their order.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from host import Host, PlaybookRun
from project import HOME, PLAIN, Project

pytestmark = pytest.mark.story

BUILD = f"{HOME}/build"
HOLD = f"{HOME}/shared/hold"

SETUP = """\
from setuptools import setup

{attack}
setup(name="attack", version="1")
"""

# A process that has nothing to do with the one that started it, but for what it has open.
DAEMON = """\
import os, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        while True:
            time.sleep(1)
    os._exit(0)
"""

# Each attempt by its name, and what came of it: nothing where it was in vain.
ATTEMPTS = """\
import json, os, sys

def attempt(action):
    try:
        found = action()
    except OSError:
        return ""
    return "done" if found is None else found

def write(path):
    with open(path, "a") as file:
        file.write("# owned\\n")

def read(path):
    with open(path) as file:
        return file.read()

def processes():
    numbers = filter(str.isdigit, os.listdir("/proc"))
    words = [attempt(lambda: read(f"/proc/{number}/cmdline")) for number in numbers]
    return " ".join(word for word in words if "gunicorn" in word or "sshd" in word)

def descriptors():
    held = [attempt(lambda: os.readlink(f"/proc/self/fd/{n}")) for n in os.listdir("/proc/self/fd")]
    return " ".join(path for path in held if "lock.json" in path)

def become_root():
    os.setuid(0)

attempts = {name: attempt(action) for name, action in {
%s
}.items()}
with open("%s", "w") as file:
    json.dump(attempts, file)
"""


def attempts(report: str, actions: dict[str, str]) -> str:
    """The code that tries all of these, and writes down what came of them."""
    lines = "\n".join(f"    {name!r}: lambda: {action}," for name, action in actions.items())
    return ATTEMPTS % (lines, report)


def dependency(attack: str) -> dict[str, str | None]:
    """A project that needs a package whose setup.py does more than that."""
    return {
        "requirements.txt": PLAIN["requirements.txt"] + "./attack\n",
        "attack/setup.py": SETUP.format(attack=attack),
    }


@pytest.fixture(scope="module")
def project(project: Project) -> Project:
    """The project, with a release that serves."""
    project.commit()
    project.deploy()
    return project


def of_the_builder(host: Host) -> str:
    """The processes of the build user."""
    return host.run(["pgrep", "-a", "-u", "playbill-build"], check=False).stdout


def test_a_process_that_a_build_leaves_ends_with_the_step(project: Project) -> None:
    project.commit(dependency(DAEMON))
    project.deploy()
    assert of_the_builder(project.host) == ""
    project.commit({"CHANGES": "the lock is free\n"})
    project.deploy()
    assert project.host.shell("ls /var/tmp | grep greenroom || true") == ""


def test_a_build_reaches_nothing_but_what_it_makes(project: Project) -> None:
    host, older = project.host, project.tree()
    host.shell(
        "mkdir -p /srv/other/releases /srv/other/shared; echo secret > /srv/other/shared/data;"
        "chmod -R a+rX /srv/other; echo secret > /home/deploy/readable; chmod a+rx /home/deploy"
    )
    virtualenv = host.shell(f"readlink -f {older}/.venv").strip()
    report = f"{BUILD}/report.json"
    tried = {
        "write an older release": f"write('{older}/manage.py')",
        "write its virtualenv": f"write('{virtualenv}/pyvenv.cfg')",
        "write what was fetched": f"write('{BUILD}/repository/config')",
        "write how it is fetched": f"write('{HOME}/access/.gitconfig')",
        "read the secrets": "read('/etc/playbill/1.env')",
        "read another app": "read('/srv/other/shared/data')",
        "read homes": "read('/home/deploy/readable')",
        "write for the host": "write('/dev/shm/owned')",
        "see others": "processes()",
        "inherit the lock": "descriptors()",
        "become root": "become_root()",
    }
    project.commit(dependency(attempts(report, tried)))
    project.deploy()
    found = json.loads(host.shell(f"cat {report}"))
    found.pop("write for the host")  # it may, in a memory of its own
    assert {name: result for name, result in found.items() if result} == {}
    assert host.shell("ls /dev/shm | grep owned || true") == ""


def test_no_module_of_ansible_runs_the_builders_own_python_files(project: Project) -> None:
    """A Python reads usercustomize in its user's home, and Ansible believes what a module says."""
    host = project.host
    version = host.shell("basename $(readlink -f /usr/bin/python3)").strip()
    folder = f"{BUILD}/.local/lib/{version}/site-packages"
    code = f"import os; open('{BUILD}/ran', 'a').write(os.readlink('/proc/self/ns/pid') + chr(10))"
    host.run(["install", "-d", folder], user="playbill-build")
    host.run(["tee", f"{folder}/usercustomize.py"], stdin=f"{code}\n", user="playbill-build")
    try:
        project.commit({"CHANGES": "with a usercustomize\n"})
        project.deploy()
        outside = host.shell("readlink /proc/1/ns/pid").strip()
        ran = host.shell(f"cat {BUILD}/ran 2>/dev/null || true").split()
        assert outside not in ran
    finally:
        host.run(["rm", "-rf", f"{BUILD}/.local", f"{BUILD}/ran"])


def test_a_link_for_the_deploy_key_shows_no_file_of_root_s(project: Project) -> None:
    host = project.host
    host.run(
        ["sh", "-c", "mkdir -p ~/.ssh; ln -sf /etc/shadow ~/.ssh/deploy_key.pub"],
        user="playbill-build",
    )
    # It may have a way to write where the key is, too.
    host.run(
        ["ln", "-sf", "/etc/shadow", f"{HOME}/access/.ssh/deploy_key.pub"],
        user="playbill-build",
        check=False,
    )
    said = project.refuse(app_repository="git@localhost:none.git")
    assert "root:" not in said
    assert "it must let this deploy key in, to read: ssh-ed25519 AAAA" in said


def test_what_a_build_prints_is_shown_escaped(project: Project) -> None:
    project.commit()
    shout = "\\x1b]0;owned\\x07\\x1b[31m Gr\\u00f6\\u00dfe \\U0001f3ad \\u202etxt.exe"
    command = f"""python -c 'import sys; print("{shout}"); sys.exit(3)'"""
    run = project.deploy(check=False, app_commands_before_collectstatic=[command])
    assert run.returncode != 0
    assert not {"\x1b", "\x07", "\u202e"} & set(run.output)
    shown = run.output.replace("\\\\", "\\")
    assert "\\x1b]0;owned\\x07\\x1b[31m Größe 🎭 \\u202etxt.exe" in shown


def test_a_build_that_takes_too_much_memory_is_ended(project: Project) -> None:
    command = "python -c 'bytearray(400 << 20)'"
    said = project.refuse(app_commands_before_collectstatic=[command], app_build_memory_max="100M")
    assert "needed more memory than it may have (100M, app_build_memory_max)" in said
    assert of_the_builder(project.host) == ""


def test_a_build_that_takes_too_long_is_ended(project: Project) -> None:
    command = "sh -c 'setsid sleep 1000 & setsid sleep 1000'"
    said = project.refuse(app_commands_before_collectstatic=[command], app_build_timeout=2)
    assert "sh did not end within 2 seconds" in said
    assert of_the_builder(project.host) == ""


# -- the app's code outside of its service --------------------------------------------------------


class Held:
    """A deploy whose Django start waits in the settings for as long as the block lasts."""

    def __init__(self, project: Project, fails: bool = False) -> None:
        self.project, self.fails, self.runs = project, fails, list[PlaybookRun]()
        self.thread = threading.Thread(target=lambda: self.runs.append(project.deploy(check=False)))

    def __enter__(self) -> str:
        self.project.host.run(["touch", HOLD], user="playbill")
        self.thread.start()
        for _ in range(600):
            found = self.project.host.run(
                ["pgrep", "-u", "playbill", "-f", "^[^ ]*/python - "], check=False
            ).stdout.split()
            if found:
                return found[0]
            time.sleep(0.1)
        raise AssertionError("there is no Django start")

    def __exit__(self, *_: object) -> None:
        self.project.host.run(["rm", "-f", HOLD])
        self.thread.join()
        assert (self.runs[0].returncode != 0) == self.fails, self.runs[0].output


WAIT = f"""
import os, sys, time

if "gunicorn" not in sys.argv[0]:  # not in the service
    while os.path.exists("{HOLD}"):
        time.sleep(0.1)
"""

# What somebody who has taken over a worker would look at, with the number of the Django start.
ENTER = """

def enter(request, process):
    found = []
    for what in ("root", "cwd", "fd", "environ", "mem", "maps", "cmdline"):
        place = f"/proc/{process}/{what}"
        try:
            os.listdir(place) if what in ("root", "cwd", "fd") else open(place).close()
        except OSError:
            continue
        found.append(what)
    return JsonResponse({"found": found})


urlpatterns.append(path("enter/<process>/", enter))
"""


def test_the_service_neither_sees_nor_enters_the_django_start(project: Project) -> None:
    code = {"config/urls.py": PLAIN["config/urls.py"] + ENTER}
    project.commit(code)
    project.deploy()
    project.commit(code, settings=WAIT)
    with Held(project) as number:
        itself = json.loads(project.host.get("/enter/self/").text)["found"]
        assert {"root", "environ", "mem"} <= set(itself), "the attack does not work at all"
        assert json.loads(project.host.get(f"/enter/{number}/").text)["found"] == []


def test_what_goes_on_without_its_module_holds_the_lock(project: Project) -> None:
    """And what does not get the lock's descriptor itself cannot hold it any longer than that."""
    host = project.host
    project.commit(settings=WAIT)
    with Held(project, fails=True) as number:
        parents = [number]
        for _ in range(3):  # the first process of the sandbox, bubblewrap, and the module
            parents.append(host.shell(f"ps -o ppid= -p {parents[-1]}").strip())
        names = [host.shell(f"ps -o comm= -p {parent}").strip() for parent in parents[1:]]
        assert names == ["sh", "bwrap", "python3"]
        host.run(["kill", "-9", parents[3]])
        held = ["flock", "--nonblock", f"{HOME}/lock.json.step", "true"]
        assert host.run(held, check=False).returncode == 1
        host.run(["kill", "-9", parents[1]])
        assert host.run(["test", "-e", f"/proc/{number}"], check=False).returncode == 1
    project.commit()
    project.deploy()


def test_the_django_start_is_confined_as_the_service_is(project: Project) -> None:
    report = f"{HOME}/shared/report.json"
    tried = {
        "write its code": "write(__file__)",
        "write another release": f"write('{project.tree()}/manage.py')",
        "read homes": "read('/home/deploy/readable')",
        "see others": "processes()",
        "inherit the lock": "descriptors()",
        "become root": "become_root()",
    }
    code = attempts(report, tried).replace("\n", "\n    ")
    project.commit(settings=f'\nimport sys\n\nif "gunicorn" not in sys.argv[0]:\n    {code}\n')
    project.host.shell(f"install -o playbill -g playbill -m 0644 /dev/null {report}")
    project.deploy()
    found: dict[str, Any] = json.loads(project.host.shell(f"cat {report}"))
    assert set(found) == set(tried)
    assert {name: result for name, result in found.items() if result} == {}


def test_a_process_that_the_django_start_leaves_ends_with_it(project: Project) -> None:
    lines = DAEMON.replace("\n", "\n    ")
    project.commit(settings=f'\nimport sys\n\nif "gunicorn" not in sys.argv[0]:\n    {lines}\n')
    project.deploy()
    left = project.host.run(["pgrep", "-a", "-u", "playbill", "-f", "/python -"], check=False)
    assert left.stdout == ""
    project.commit()
    project.deploy()


def test_a_host_without_bubblewrap_is_told_before_anything_is_done(project: Project) -> None:
    program = project.host.shell("command -v bwrap").strip()
    project.host.run(["mv", program, f"{program}.away"])
    try:
        project.commit({"CHANGES": "no sandbox\n"})
        releases = project.host.shell(f"ls {HOME}/releases")
        assert "This host has no bubblewrap (bwrap)" in project.refuse()
        assert project.host.shell(f"ls {HOME}/releases") == releases
    finally:
        project.host.run(["mv", f"{program}.away", program])
