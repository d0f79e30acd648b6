#!/usr/bin/env python3
"""Hosts to try Greenroom on: booted Debian machines in containers, reached by SSH like any server.

As a command:  tools/host.py up NAME [--publish 127.0.0.1:8000:80] | down NAME | ssh NAME | list
As a module:   with Host.start("web") as host: host.playbook(inventory, "site.yml")

Only the standard library is used, so that this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
CACHE = CHECKOUT / ".cache"
LABEL = "greenroom.test=1"
PREFIX = "greenroom-"

# All that systemd needs to boot; --privileged is more, and refused on hardened machines.
BOOT = (
    "--cap-add=SYS_ADMIN",
    "--cap-add=NET_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run:exec",
    "--tmpfs=/run/lock",
    "--stop-signal=SIGRTMIN+3",
)

# Prints {path: "kind mode owner:group content"} of everything below its arguments, as JSON. Times
# are left out: a step that rewrites the same content has changed nothing.
LISTING = """
import grp, hashlib, json, os, pwd, stat, sys
def name(lookup, number):
    try: return lookup(number)[0]
    except KeyError: return str(number)
found = {}
def note(path):
    try: status = os.lstat(path)
    except FileNotFoundError: return
    kind, content = stat.filemode(status.st_mode), ""
    if stat.S_ISLNK(status.st_mode): content = "-> " + os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file: content = hashlib.sha256(file.read()).hexdigest()
    owner, group = name(pwd.getpwuid, status.st_uid), name(grp.getgrgid, status.st_gid)
    found[path] = f"{kind} {owner}:{group} {content}"
for top in sys.argv[1:]:
    note(top)
    for folder, folders, files in os.walk(top):
        for entry in folders + files: note(os.path.join(folder, entry))
json.dump(found, sys.stdout)
"""


class HostError(Exception):
    """Something that a host was asked for did not work; the message holds what it said."""


@dataclass(frozen=True)
class PlaybookRun:
    """How one run of ansible-playbook ended."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float
    #: {host: {"ok": 3, "changed": 1, "unreachable": 0, "failed": 0, "skipped": 0, ...}}
    recap: dict[str, dict[str, int]]

    @property
    def output(self) -> str:
        """Everything that was printed."""
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. Header names are lower case; redirects are not followed."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, as text."""
        return self.body.decode("utf-8", "replace")


def command(
    *argv: str | Path, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command, and return how it ended, with its output.

    Raises HostError with that output when it fails, unless check is False.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    run = subprocess.run(
        [str(word) for word in argv], text=True, errors="replace", check=False, **options
    )
    if check and run.returncode:
        said = "\n".join(part for part in (run.stdout, run.stderr) if part)
        raise HostError(f"{shlex.join(run.args)}\nended with {run.returncode}:\n{said}")
    return run


def key() -> Path:
    """Return the private key of this checkout that opens its hosts; it is made at first use."""
    path = CACHE / "ssh" / "id_ed25519"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        command(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "greenroom test host", "-f", path
        )
    return path


def default_image(system: str = "debian-12") -> str:
    """Return the name of the bare host's image, which is built where it is missing (25 s).

    system: what tools/image knows, such as debian-13
    """
    return command(CHECKOUT / "tools" / "image", system, stderr=None).stdout.split()[-1]


def recap_of(stdout: str) -> dict[str, dict[str, int]]:
    """Return the numbers of ansible-playbook's PLAY RECAP, for each host.

    >>> recap_of("web   : ok=3    changed=1    failed=0")
    {'web': {'ok': 3, 'changed': 1, 'failed': 0}}
    """
    lines = re.findall(r"^(\S+)\s+: (ok=.*)$", stdout, re.MULTILINE)
    return {
        host: {word: int(n) for word, n in re.findall(r"(\w+)=(\d+)", counts)}
        for host, counts in lines
    }


def ansible_playbook(
    inventory: Path,
    playbook: str | Path,
    *arguments: str,
    check: bool = True,
    env: Mapping[str, str] | None = None,
) -> PlaybookRun:
    """Run a playbook in this checkout, as a user would, and return how it ended.

    env adds to the environment. Raises HostError with the output when it fails, unless check is
    False.
    """
    started = time.monotonic()
    program = CHECKOUT / ".venv" / "bin" / "ansible-playbook"
    run = command(
        program,
        "-i",
        inventory,
        playbook,
        *arguments,
        check=check,
        cwd=CHECKOUT,
        env=ansible_environment(env or {}),
    )
    return PlaybookRun(
        run.returncode, run.stdout, run.stderr, time.monotonic() - started, recap_of(run.stdout)
    )


def ansible_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which this checkout's Ansible runs, whatever the caller's is."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ANSIBLE_")
        and name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    return {
        **inherited,
        "PATH": f"{CHECKOUT / '.venv' / 'bin'}:{inherited.get('PATH', os.defpath)}",
        "LC_ALL": "C.UTF-8",  # Ansible refuses to start in any encoding but UTF-8
        "ANSIBLE_NOCOLOR": "1",
        **extra,
    }


@dataclass
class Host:
    """One running host. Make it with Host.start, or find it again with Host.find."""

    name: str
    container: str
    #: the container's own, which no later one of the same name has
    id: str = ""
    address: str = ""
    #: "running", or "degraded" where a unit failed at boot
    state: str = ""
    _inventories: list[Path] = field(default_factory=list)

    @classmethod
    def named(cls, name: str) -> Host:
        """Return the host of that name as a name only, whether it is there or not."""
        short = name.removeprefix(PREFIX)
        return cls(short, PREFIX + short)

    @classmethod
    def start(
        cls,
        name: str,
        image: str | None = None,
        publish: Sequence[str] = (),
        limits: Sequence[str] = (),
    ) -> Host:
        """Start a host and wait until it has booted and answers by SSH (about 2 s).

        One of the same name that is left over is replaced.

        Args:
            name: a word; the container and the host are called greenroom-NAME
            image: a container image; the bare host's, if not given
            publish: ports for the outside, as `docker run --publish` takes them
            limits: more options for `docker run`, such as --memory=256m

        Raises:
            HostError: it did not start, or not boot within a minute
        """
        host = cls.named(name)
        host.destroy()
        ports = [f"--publish={port}" for port in publish]
        names = [f"--name={host.container}", f"--hostname={host.container}", f"--label={LABEL}"]
        what = image or default_image()
        command("docker", "run", "--detach", *names, *BOOT, *ports, *limits, what)
        host._let_in()
        host.wait()
        return host

    @classmethod
    def find(cls, name: str) -> Host | None:
        """Return the running host of that name, or None."""
        host = cls.named(name)
        run = command(
            "docker", "inspect", "--format={{.State.Running}}", host.container, check=False
        )
        if run.stdout.strip() != "true":
            return None
        host._let_in()
        host.wait()
        return host

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def _let_in(self) -> None:
        """Put this checkout's key in."""
        public = key().with_suffix(".pub").read_text()
        install = "install -m 0600 -o deploy -g deploy /dev/stdin /home/deploy/.ssh/authorized_keys"
        command(
            "docker", "exec", "--interactive", self.container, "sh", "-c", install, input=public
        )

    def _boot_state(self) -> str:
        """How far it has booted, in systemd's words. Waits for a change, for some time."""
        booted = ("timeout", "30", "systemctl", "is-system-running", "--wait")
        return command("docker", "exec", self.container, *booted, check=False).stdout.strip()

    def wait(self, seconds: float = 60) -> None:
        """Wait until the host has booted and answers by SSH. Raises HostError when it does not."""
        deadline = time.monotonic() + seconds
        while True:
            self.state = self._boot_state()
            if self.state in ("running", "degraded"):
                break
            if time.monotonic() > deadline:
                logs = command("docker", "logs", "--tail=50", self.container, check=False)
                late = f"{self.name} has not booted in {seconds:.0f} s ({self.state}):"
                raise HostError(f"{late}\n{logs.stdout}{logs.stderr}")
            time.sleep(0.1)
        before = self.address
        inspect = "--format={{.Id}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        self.id, self.address = command(
            "docker", "inspect", inspect, self.container
        ).stdout.split()[:2]
        if before and before != self.address:  # a container that restarts may get another one
            for path in self._inventories:
                path.write_text(path.read_text().replace(f'"{before}"', f'"{self.address}"'))
        public = command(
            "docker", "exec", self.container, "cat", "/etc/ssh/ssh_host_ed25519_key.pub"
        ).stdout
        self._known_hosts.parent.mkdir(parents=True, exist_ok=True)
        self._known_hosts.write_text(f"{self.address} {public}")
        self.run(["true"], user="deploy")

    # -- ways in ----------------------------------------------------------------------------------

    @property
    def _known_hosts(self) -> Path:
        return CACHE / "hosts" / self.container / "known_hosts"

    @property
    def _sockets(self) -> Path:
        """The folder of this host's persistent connections.

        Each container has its own: the next one may get this one's address, and would be talked to
        through a connection that leads nowhere. In /tmp, because a socket's path must be short.
        """
        user = Path(tempfile.gettempdir()) / f"greenroom-{os.getuid()}"
        user.mkdir(mode=0o700, exist_ok=True)
        if user.stat().st_uid != os.getuid():
            raise HostError(f"{user} belongs to somebody else")
        path = user / self.id[:12]
        path.mkdir(exist_ok=True)
        return path

    @property
    def ssh_options(self) -> list[str]:
        """Options for ssh, scp and git: this host's key and no other, and nothing of the user's."""
        return [
            *("-F", "none"),
            *("-o", f'UserKnownHostsFile="{self._known_hosts}"'),
            *("-o", "GlobalKnownHostsFile=/dev/null"),
            *("-o", "StrictHostKeyChecking=yes"),
            *("-o", "IdentitiesOnly=yes"),
        ]

    def _ssh(self) -> list[str]:
        persistent = (
            "-o",
            "ControlMaster=auto",
            "-o",
            "ControlPersist=60",
            "-o",
            f"ControlPath={self._sockets}/ssh",
        )
        return ["ssh", *self.ssh_options, "-i", str(key()), *persistent, f"deploy@{self.address}"]

    def run(
        self,
        argv: Sequence[str],
        user: str = "root",
        check: bool = True,
        stdin: str | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the host: by SSH as deploy, and by sudo as any other user.

        Args:
            argv: the command, a list of words; no shell looks at them
            user: who runs it, in the folder /
            check: raise HostError, with the output, if it fails
            stdin: what it reads
            timeout: seconds
        """
        words = list(argv) if user == "deploy" else ["sudo", "-n", "-H", "-u", user, "--", *argv]
        options: dict[str, Any] = {"timeout": timeout}
        if stdin is not None:
            options["input"] = stdin
        return command(*self._ssh(), f"cd / && {shlex.join(words)}", check=check, **options)

    def shell(self, script: str, user: str = "root", check: bool = True) -> str:
        """Run a shell script on the host and return what it printed to stdout."""
        return self.run(["sh", "-c", script], user=user, check=check).stdout

    def get(
        self, path: str = "/", host_header: str = "localhost", timeout: float = 10, **headers: str
    ) -> Answer:
        """Ask the host's web server, from outside. In the names of headers, _ stands for -.

        Raises OSError when nothing answers.
        """
        connection = http.client.HTTPConnection(self.address, 80, timeout=timeout)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, headers={"Host": host_header, **sent})
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())
        finally:
            connection.close()

    # -- Ansible ----------------------------------------------------------------------------------

    def variables(self) -> dict[str, str]:
        """Return the inventory variables that let Ansible in."""
        return {
            "ansible_host": self.address,
            "ansible_user": "deploy",
            "ansible_ssh_private_key_file": str(key()),
            "ansible_ssh_common_args": shlex.join(self.ssh_options),
            "ansible_control_path_dir": str(self._sockets),
            # As in group_vars/all.yml, which an inventory elsewhere does not get to see.
            "ansible_python_interpreter": "/usr/bin/python3",
        }

    def inventory(self, path: Path, environment: str = "staging", **host_vars: Any) -> Path:
        """Write an inventory whose group `environment` holds this host alone, and return its path.

        host_vars win over everything in group_vars.
        """
        return write_inventory(path, {self: host_vars}, environment)

    def playbook(
        self,
        playbook: str | Path,
        *arguments: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> PlaybookRun:
        """Run a playbook with the inventory of this host that was written last."""
        return ansible_playbook(self.last_inventory, playbook, *arguments, check=check, env=env)

    def prepare(
        self,
        role: str,
        *arguments: str,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> PlaybookRun:
        """Do what site.yml does by one of its roles, in a tenth of the time."""
        play = {
            "name": f"Prepare {role}",
            "hosts": "staging:live",
            "gather_facts": False,
            "become": True,
            "roles": [f"greenroom.django.{role}"],
        }
        path = self.last_inventory.parent / f"{role}.yml"
        path.write_text(json.dumps([play]))
        return self.playbook(path, *arguments, check=check, env=env)

    @property
    def last_inventory(self) -> Path:
        """The inventory of this host that was written last."""
        if not self._inventories:
            raise HostError(f"{self.name} has no inventory: call inventory() first")
        return self._inventories[-1]

    # -- what a test looks at ---------------------------------------------------------------------

    def listing(self, *paths: str) -> dict[str, str]:
        """Return {path: kind, mode, owner and content} of everything at and below paths."""
        found: dict[str, str] = json.loads(self.run(["python3", "-", *paths], stdin=LISTING).stdout)
        return found

    def checksum(self, *paths: str) -> str:
        """Return a digest of content, modes, owners and link targets at and below paths."""
        return hashlib.sha256(json.dumps(self.listing(*paths), sort_keys=True).encode()).hexdigest()

    def journal(self, lines: int = 60) -> str:
        """Return the tail of the host's journal, without our own comings and goings.

        Works without SSH too.
        """
        journal = ("journalctl", "--no-pager", "--output=short-precise", f"--lines={lines * 10}")
        said = command("docker", "exec", self.container, *journal, check=False).stdout
        ours = re.compile(r"^\S+ \S+ \S+ \S+ (sudo|sshd|ansible-[\w.]+)\[")
        return "\n".join([line for line in said.splitlines() if not ours.match(line)][-lines:])

    # -- its life ---------------------------------------------------------------------------------

    def commit(self, tag: str) -> str:
        """Keep the host's disk as an image that Host.start takes, and return the image's name.

        tag: a word, or a whole name such as greenroom/host:mine
        """
        image = tag if ":" in tag else f"greenroom/snapshot:{tag}"
        command("docker", "commit", "--change", f"LABEL {LABEL}", self.container, image)
        return image

    def reboot(self) -> None:
        """Restart the host and wait until it is back."""
        self._hang_up()
        command("docker", "restart", "--time=20", self.container)
        self.wait()

    def kill(self) -> None:
        """Cut the power: every process is gone, nothing was told. `power_on` brings it back."""
        self._hang_up()
        command("docker", "kill", self.container)

    def power_on(self) -> None:
        """Start the host after `kill`, and wait until it is back."""
        command("docker", "start", self.container)
        self.wait()

    def freeze(self) -> None:
        """Stop every process where it is: the host does not answer, and keeps its address.

        A host without power does not: the next one that starts may have it, and answers instead.
        """
        self._hang_up()
        command("docker", "pause", self.container)

    def thaw(self) -> None:
        """Let the processes go on after `freeze`."""
        command("docker", "unpause", self.container)

    def _hang_up(self) -> None:
        """Close the persistent connections, ours and Ansible's."""
        for socket in self._sockets.iterdir():
            command("ssh", "-o", f"ControlPath={socket}", "-O", "exit", "deploy@host", check=False)

    def cut_connections(self) -> None:
        """End every SSH connection to the host, as a network that fails does. It answers again."""
        sessions = ("pkill", "--uid", "deploy", "--exact", "sshd")
        command("docker", "exec", self.container, *sessions, check=False)

    @contextlib.contextmanager
    def disconnected(self, seconds: int) -> Iterator[None]:
        """Let no SSH connection last from when the block begins, for so many seconds at least.

        The block may last for less; then the rest is waited for.
        """
        script = (
            'end=$(($(date +%s) + $0)); while [ "$(date +%s)" -le $end ]; do '
            "pkill --uid deploy --exact sshd; echo; sleep 0.05; done"
        )
        argv = ["docker", "exec", self.container, "sh", "-c", script, str(seconds)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it has begun
            try:
                yield
            finally:
                process.communicate()

    @contextlib.contextmanager
    def edited(self, path: str, more: str) -> Iterator[None]:
        """Add text to the end of a file on the host for as long as the block lasts."""
        before = self.run(["cat", path]).stdout
        self.run(["tee", path], stdin=before + more)
        try:
            yield
        finally:
            self.run(["tee", path], stdin=before)

    def destroy(self) -> None:
        """Take the host away, and what this machine has noted about it. Images stay."""
        self.id = command(
            "docker", "inspect", "--format={{.Id}}", self.container, check=False
        ).stdout.strip()
        if not self.id:
            return
        self._hang_up()
        shutil.rmtree(self._sockets, ignore_errors=True)
        command("docker", "rm", "--force", "--volumes", self.container, check=False)
        shutil.rmtree(self._known_hosts.parent, ignore_errors=True)

    def __hash__(self) -> int:
        return hash(self.container)


def write_inventory(
    path: Path,
    hosts: Mapping[Host, Mapping[str, Any]],
    environment: str = "staging",
    database: Host | None = None,
    balancers: Sequence[Host] = (),
) -> Path:
    """Write an inventory with one group, and return its path.

    Args:
        path: the file, without a suffix
        hosts: the hosts, each with variables of its own
        environment: the group's name
        database: the host of a second group, which is called database
        balancers: the hosts of another one, which is called balancer
    """
    members = {host.container: {**host.variables(), **settings} for host, settings in hosts.items()}
    groups = {environment: {"hosts": members}}
    others = {"database": [database] if database else [], "balancer": balancers}
    for name, found in others.items():
        if found:
            groups[name] = {"hosts": {host.container: host.variables() for host in found}}
    path.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML, and needs no library.
    path.write_text(json.dumps(groups, indent=2) + "\n")
    path.chmod(0o600)
    for host in [*hosts, *others["database"], *others["balancer"]]:
        host._inventories = [*(known for known in host._inventories if known != path), path]
    return path


@dataclass
class Load:
    """Sends requests to a host from outside for as long as the `with` block lasts, and counts.

    with Load(host, "example.org") as load: deploy()
    assert load.failures == 0

    Raises HostError at the end of the block when no request got through at all, or when `seconds`
    were over before the block was: then the rest of it was not under load.
    """

    host: Host
    host_header: str = "localhost"
    path: str = "/"
    connections: int = 16
    #: seconds that each waits before its next request; with 0, little else gets a turn here
    pause: float = 0.5
    #: at most so long, even if the block hangs
    seconds: int = 600

    requests: int = 0
    #: how often each status came that is not 2xx, for example {"502": 3}
    statuses: dict[str, int] = field(default_factory=dict)
    connect: int = 0
    read: int = 0
    write: int = 0
    timeout: int = 0
    #: seconds that the load lasted
    duration: float = 0.0
    #: seconds within which 99 % of the answers came, and the slowest
    p99: float = 0.0
    slowest: float = 0.0

    _process: subprocess.Popen[str] | None = None

    @property
    def non_2xx(self) -> int:
        """How many answers were not 2xx."""
        return sum(self.statuses.values())

    @property
    def socket_errors(self) -> int:
        """How many requests got no whole answer."""
        return self.connect + self.read + self.write + self.timeout

    @property
    def failures(self) -> int:
        """How many requests failed in any way."""
        return self.non_2xx + self.socket_errors

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.duration if self.duration else 0.0

    def __str__(self) -> str:
        bad = "" if not self.failures else f": {self.statuses}, {self.socket_errors} socket errors"
        return f"{self.requests} requests in {self.duration:.1f} s, {self.failures} failed{bad}"

    def __enter__(self) -> Load:
        if not shutil.which("wrk"):
            command(CHECKOUT / "tools" / "packages", "wrk", stderr=None)
        # fmt: off
        # The port stands in the URL: a small system has no list of services to look it up in.
        # If this dies, wrk ends too, and does not take half of a core for minutes.
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM",
             "wrk", "-t2", f"-c{self.connections}", f"-d{self.seconds}s", "--timeout", "10s",
             "-s", str(CHECKOUT / "tools" / "load.lua"), "-H", f"Host: {self.host_header}",
             f"http://{self.host.address}:80{self.path}", "--", f"{self.pause * 1000:.0f}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        # fmt: on
        time.sleep(0.2)  # the first requests are under way
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        assert self._process is not None
        ended_early = self._process.poll() is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)  # wrk stops, and sums up
        try:
            output = self._process.communicate(timeout=30)[0]
        except subprocess.TimeoutExpired:
            self._process.kill()
            output = self._process.communicate()[0]
        found = re.search(r"^\{.*\}$", output, re.MULTILINE)
        if found:
            numbers = json.loads(found.group())
            self.duration = numbers.pop("seconds")
            for name, value in numbers.items():
                setattr(self, name, value)
        if failure:
            return  # what went wrong in the block is the news
        if not self.requests:
            raise HostError(f"no request got through:\n{output}")
        if ended_early:
            raise HostError(
                f"the load ended before its block did, after {self.duration:.0f} s:\n{output}"
            )


def hosts() -> Iterator[tuple[str, str, str]]:
    """Yield (name, status, image) of every host there is, of this checkout and of others."""
    columns = "{{.Names}}\t{{.Status}}\t{{.Image}}"
    listed = command("docker", "ps", "--all", f"--filter=label={LABEL}", "--format", columns).stdout
    for line in sorted(listed.splitlines()):
        name, status, image = line.split("\t")
        yield name.removeprefix(PREFIX), status, image


def clean() -> None:
    """Take every host and every image away. Does nothing where no engine runs."""
    if not shutil.which("docker") or command("docker", "info", check=False).returncode:
        return
    for name, _, _ in hosts():
        Host.named(name).destroy()
    for repository in ("greenroom/snapshot", "greenroom/host", "greenroom/base"):
        tags = command(
            "docker", "images", "--format={{.Repository}}:{{.Tag}}", repository
        ).stdout.split()
        if tags:
            command("docker", "rmi", "--force", *tags)


def found(name: str) -> Host:
    """Return the running host of that name; raises HostError when there is none."""
    host = Host.find(name)
    if host is None:
        raise HostError(f"no host {name} is running; make one with: tools/host.py up {name}")
    return host


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="tools/host.py", description="Hosts to try Greenroom on.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="start a host")
    up.add_argument("name")
    up.add_argument("--image", help="a snapshot to start from, instead of the bare host")
    up.add_argument(
        "--publish", action="append", default=[], metavar="8080:80", help="a port for the outside"
    )
    up.add_argument("--inventory", type=Path, help="also write an inventory of it there")
    verbs.add_parser("down", help="take a host away").add_argument("name")
    ssh = verbs.add_parser("ssh", help="log in, or run a command there")
    ssh.add_argument("name")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    verbs.add_parser("list", help="show every host")
    verbs.add_parser("clean", help="take every host and image away")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "up":
            host = Host.start(options.name, options.image, options.publish)
            if options.inventory:
                host.inventory(options.inventory)
            print(f"{host.container} at {host.address} ({host.state})")
            print(f"log in with: tools/host.py ssh {host.name}")
        elif options.verb == "down":
            Host.named(options.name).destroy()
        elif options.verb == "ssh":
            host = found(options.name)
            return subprocess.run([*host._ssh(), *options.command], check=False).returncode
        elif options.verb == "clean":
            clean()
        else:
            for name, status, image in hosts():
                print(f"{name:20} {status:24} {image}")
    except HostError as error:
        print(f"host: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # Who is not in Docker's group may have it lent by sudo: tools/engine knows.
    again = {**os.environ, "GREENROOM_ENGINE": "asked"}
    if (
        "GREENROOM_ENGINE" not in os.environ
        and command("docker", "version", check=False).returncode
    ):
        engine = str(CHECKOUT / "tools" / "engine")
        itself = [sys.executable, str(Path(__file__).resolve())]
        os.execve(engine, [engine, "--running", *itself, *sys.argv[1:]], again)
    sys.exit(main(sys.argv[1:]))
