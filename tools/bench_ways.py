"""The ways to deploy that `make bench` times, and how they reach the host.

By hand that is one ssh session, as on many sites: `git pull`, `pip install -r`, `migrate`,
`collectstatic`, `systemctl reload`. Fabric 3 and pyinfra 3 do the same steps, see tools/peers.
"""

from __future__ import annotations

import os
import re
import resource
import shlex
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from example import ON_HOST, Example, settings
from host import CACHE, CHECKOUT, Host, HostError, ansible_playbook, command, key
from line import Line

PEERS = CHECKOUT / "tools" / "peers"
PINS = CHECKOUT / "requirements-bench.txt"
SECONDS = {
    "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tools" / "callbacks"),
    "ANSIBLE_CALLBACKS_ENABLED": "seconds",
}
SKIPPED = "all tasks that were skipped"

#: A site as it would be without Greenroom, behind the same nginx and with as many workers.
SITE = f"""
set -eu
name=$0 user=$1
mkdir /srv/$name
cd /srv/$name
git clone --quiet --branch staging {ON_HOST} tree
python3 -m venv venv
venv/bin/pip install --quiet --requirement tree/requirements.txt gunicorn
cat >env <<ENV
SECRET_KEY=$(od -An -N 40 -t x1 /dev/urandom | tr -d ' \\n')
ALLOWED_HOSTS=$name.test
ENV
chown -R $user: .
cat >/etc/systemd/system/$name.service <<UNIT
[Service]
Type=notify
User=$user
WorkingDirectory=/srv/$name/tree
EnvironmentFile=/srv/$name/env
RuntimeDirectory=$name
ExecStart=/srv/$name/venv/bin/gunicorn --workers 3 --bind unix:/run/$name/site.sock playbill.wsgi
ExecReload=/bin/kill -HUP \\$MAINPID
UNIT
cat >/etc/nginx/conf.d/$name.conf <<SERVER
server {{
    listen 80;
    server_name $name.test;
    location / {{
        proxy_pass http://unix:/run/$name/site.sock;
        proxy_set_header Host \\$host;
    }}
}}
SERVER
systemctl daemon-reload
nginx -s reload
"""

DEPLOY_IN_PLACE = """
set -eu
cd /srv/in-place/tree
set -a; . /srv/in-place/env; set +a
git pull --quiet
/srv/in-place/venv/bin/pip install --quiet --requirement requirements.txt
/srv/in-place/venv/bin/python manage.py migrate --verbosity 0
/srv/in-place/venv/bin/python manage.py collectstatic --noinput --verbosity 0
sudo systemctl reload-or-restart in-place
"""


@dataclass
class Way:
    """One way to deploy, over one line, and what its runs took."""

    name: str
    #: the host name of its site
    site: str
    deploy: Callable[[], object]
    #: what comes before each run, and is not timed
    prepare: Callable[[], object] = lambda: None
    #: seconds from the command to the page, and of the controller's CPUs, of each run
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    #: round trips of each run, where its line counts them
    turns: list[int] = field(default_factory=list)
    #: Greenroom's: {task: its seconds, of each run}
    tasks: dict[str, list[float]] = field(default_factory=dict)

    @property
    def wall(self) -> float:
        """The median."""
        return statistics.median(self.walls)

    def run(self, host: Host, example: Example, text: str, line: Line | None = None) -> None:
        """Change a line of the app, deploy it, and wait for the page that has it."""
        code = f'VERSION = "v1"\nVERSION_NAME = "{text}"\n'
        example.commit({"playbill/__init__.py": code}, text)
        self.prepare()
        turns = line.turns if line else 0
        started, used = time.monotonic(), cpu_of_children()
        self.deploy()
        if line:
            self.turns.append(line.turns - turns)
        until_served(host, self.site, text)
        self.walls.append(time.monotonic() - started)
        self.cpus.append(cpu_of_children() - used)

    def note_tasks(self, tasks: Sequence[tuple[str, float, bool]]) -> None:
        """Take in what the callback has written of a run."""
        sums = {"Ansible's start and end": self.walls[-1] - sum(each for _, each, _ in tasks)}
        for name, seconds, done in tasks:
            plain = re.sub(r"\b\d+\b", "N", name) if done else SKIPPED
            sums[plain] = sums.get(plain, 0) + seconds
        for plain, total in sums.items():
            self.tasks.setdefault(plain, []).append(total)


@dataclass(frozen=True)
class Access:
    """How the commands of all ways reach the host over one line."""

    host: Host
    folder: Path
    address: str
    port: int
    line: Line | None = None

    @property
    def options(self) -> list[str]:
        """Options of ssh: the host's own key counts, wherever the line begins."""
        return [*self.host.ssh_options, "-o", f"HostKeyAlias={self.host.address}"]

    def ssh(self, script: str, *more: str) -> None:
        """Run a script by ssh, in a connection of its own unless more options say otherwise."""
        to = ("-i", key(), "-p", str(self.port), f"deploy@{self.address}")
        command("ssh", *self.options, *more, *to, shlex.join(["sh", "-c", script]))

    @property
    def persistent(self) -> list[str]:
        """Options of ssh for a connection that stays open."""
        path = f"ControlPath={self.folder}/by-hand"
        return ["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", path]

    def hang_up(self) -> None:
        """Close the connections that are open."""
        for socket in self.folder.glob("*"):
            if socket.is_socket():
                command("ssh", "-o", f"ControlPath={socket}", "-O", "exit", "host", check=False)

    def inventory(self) -> Path:
        """An inventory whose host is reached like this."""
        return self.host.inventory(
            self.folder / "staging",
            **settings("localhost", self.host.address),
            ansible_host=self.address,
            ansible_port=self.port,
            ansible_ssh_common_args=shlex.join(self.options),
            ansible_control_path_dir=str(self.folder),
        )

    @property
    def seconds(self) -> Path:
        """Where the seconds of the tasks of a deploy are written."""
        return self.folder / "seconds.json"

    def peer(self, program: str, *arguments: str | Path) -> None:
        """Run Fabric or pyinfra, which keep the host's key in a home of their own."""
        (self.folder / ".ssh").mkdir(mode=0o700, exist_ok=True)
        environment = {**os.environ, "HOME": str(self.folder)}
        command(CACHE / "bench" / "bin" / program, *arguments, env=environment, cwd=self.folder)


def ways(access: Access) -> list[Way]:
    """All ways over one line, in the order of their turns."""
    inventory, seconds = access.inventory(), access.seconds
    there = f"deploy@{access.address}:{access.port}"
    identity = ("--ssh-user", "deploy", "--ssh-key", key(), "--ssh-port", str(access.port))

    def greenroom() -> None:
        ansible_playbook(inventory, "deploy.yml", env=SECONDS | {"GREENROOM_SECONDS": str(seconds)})

    def by_hand() -> None:
        access.ssh(DEPLOY_IN_PLACE)

    def fabric() -> None:
        access.peer("fab", "-r", PEERS, "-H", there, "-i", key(), "deploy")

    def pyinfra() -> None:
        access.peer("pyinfra", "-y", *identity, access.address, PEERS / "deploy.py")

    def by_hand_again() -> None:
        access.ssh(DEPLOY_IN_PLACE, *access.persistent)

    return [
        Way("in place", "in-place.test", by_hand),
        Way("Fabric 3", "fabric.test", fabric),
        Way("pyinfra 3", "pyinfra.test", pyinfra),
        Way("Greenroom", "localhost", greenroom, access.hang_up),
        Way("Greenroom, open", "localhost", greenroom),
        Way(
            "in place, open",
            "in-place.test",
            by_hand_again,
            lambda: access.ssh("true", *access.persistent),
        ),
    ]


def cpu_of_children() -> float:
    """Seconds of CPU time of all commands that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def until_served(host: Host, name: str, text: str, seconds: float = 20) -> None:
    """Wait until the page of a site contains text. Raises HostError when it never does."""
    deadline = time.monotonic() + seconds
    while True:
        answer = host.get("/", name)
        if text in answer.text:
            return
        if time.monotonic() > deadline:
            raise HostError(f"{name} answers {answer.status}, and not with {text!r}")
        time.sleep(0.01)


def install_peers() -> None:
    """Fabric and pyinfra, in a virtualenv of their own."""
    venv, uv = CACHE / "bench", CHECKOUT / ".venv" / "bin" / "uv"
    python = venv / "bin" / "python"
    if not python.exists():
        command(CHECKOUT / ".venv" / "bin" / "python", "-m", "venv", venv)
    if uv.exists():
        command(uv, "pip", "install", "--python", python, "--requirement", PINS)
    else:
        command(python, "-m", "pip", "install", "--quiet", "--requirement", PINS)


def prepare(host: Host) -> None:
    """Put the sites of the other ways on a provisioned host, beside the example's own."""
    host.run(["apt-get", "-qq", "install", "--yes", "--no-install-recommends", "python3-venv"])
    for name in ("in-place", "fabric", "pyinfra"):
        host.run(["sh", "-c", SITE, name, "deploy"])
