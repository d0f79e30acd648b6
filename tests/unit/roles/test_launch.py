"""The launcher of a release, for service managers that know no drain and no environment files."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._environment import (
    dump_environment,
    load_environment,
)

from tests.unit.roles.project import ROOT

LAUNCH = ROOT / "roles/gunicorn/files/launch"
VALUES = {
    "QUOTES": "say \"hi\" and 'bye'",
    "PERCENT": "100% %(program_name)s %%s",
    "DOLLARS": "$HOME ${HOME} `id` $(id)",
    "SPACES": "  two  before; and # after  ",
    "LINES": 'first\nFAKE="no"\r\nlast\n',
    "BACKSLASHES": "C:\\new\\\\",
    "EMPTY": "",
    "WORDS": "Größe 🎭",
}


@pytest.fixture(scope="module")
def launch() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("launch", str(LAUNCH))
    spec = importlib.util.spec_from_loader("launch", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_it_reads_an_environment_as_greenroom_does(launch: ModuleType) -> None:
    content = dump_environment(VALUES)
    read = launch.load_environment(content.encode())
    assert {name.decode(): value.decode() for name, value in read.items()} == VALUES
    assert load_environment(content) == VALUES


def test_what_a_release_gets_to_see(
    launch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPERVISOR_SERVER_URL", "unix:///x")
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog/42.env").write_text(dump_environment({"A": "release", "B": "b"}))
    assert launch.environment_of("blog", "42", str(tmp_path))[b"A"] == b"release"
    (tmp_path / "blog/database.env").write_text(dump_environment({"A": "database", "C": "c"}))
    found = launch.environment_of("blog", "42", str(tmp_path))
    assert {name: found[name] for name in (b"A", b"B", b"C")} == {
        b"A": b"release",
        b"B": b"b",
        b"C": b"c",
    }
    assert found.keys() == {
        *(b"A", b"B", b"C"),
        *(b"PATH", b"LANG", b"HOME", b"SHELL", b"USER", b"LOGNAME"),
    }


def test_a_release_without_its_environment_does_not_start(
    launch: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        launch.environment_of("blog", "42", str(tmp_path))


def test_where_systemd_is_it_makes_the_control_group(launch: ModuleType) -> None:
    command = launch.Scope("blog", "42", "512M").command()
    assert command[:4] == ["systemd-run", "--quiet", "--collect", "--scope"]
    assert command[4] == "--unit=blog-42.scope"
    assert {"--property=MemoryMax=512M", "--property=Delegate=yes"} <= set(command)
    assert command[-1] == "--"


V1 = (
    "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
    "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu,cpuacct 0 0\n"
    "cgroup {top} cgroup rw,relatime,memory 0 0\n"
)


def mounted(folder: Path, text: str) -> str:
    """A list of mounts whose control groups of memory are in a folder."""
    mounts = folder / "mounts"
    mounts.write_text(text.format(top=folder))
    return str(mounts)


def test_where_control_groups_are(launch: ModuleType, tmp_path: Path) -> None:
    where = launch.where_memory_is_limited
    assert where(mounted(tmp_path, V1)) == (str(tmp_path), "memory.limit_in_bytes")
    v2 = mounted(tmp_path, "cgroup2 {top} cgroup2 rw 0 0\n")
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    assert where(v2) == (str(tmp_path), "memory.max")
    (tmp_path / "cgroup.controllers").write_text("cpu pids\n")
    assert where(v2) == ("", "")
    assert where(mounted(tmp_path, "proc /proc proc rw 0 0\n")) == ("", "")


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        ("infinity", None),
        ("512M", 512 * 2**20),
        ("1.5G", 3 * 2**29),
        ("2T", 2**41),
        ("64K", 2**16),
        ("536870912", 2**29),
    ],
)
def test_a_limit_is_what_systemd_makes_of_it(
    launch: ModuleType, said: str, limit: int | None
) -> None:
    assert launch.bytes_of(said) == limit


def test_a_limit_in_percent_is_of_the_hosts_memory(launch: ModuleType) -> None:
    all_of_it = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert launch.bytes_of("40%") == all_of_it * 40 // 100


@pytest.fixture
def group_of(launch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(mounts: str, memory_max: str) -> Any:
        found = launch.where_memory_is_limited(mounted(tmp_path, mounts))
        monkeypatch.setattr(launch, "where_memory_is_limited", lambda: found)
        return launch.Group("blog", "42", memory_max)

    return make


def test_where_no_systemd_is_it_makes_a_control_group_itself(group_of: Any, tmp_path: Path) -> None:
    group = group_of(V1, "512M")
    group.make()
    room = tmp_path / "greenroom-blog-42"
    assert (room / "memory.limit_in_bytes").read_text() == str(512 * 2**20)
    assert group.command() == []
    script = "import os, sys; print(os.getpid() == os.getsid(0))"
    said = subprocess.run(
        [sys.executable, "-c", script], preexec_fn=group.enter, stdout=subprocess.PIPE, text=True
    ).stdout
    assert said == "True\n", "what ends a group of processes leaves it alone"
    assert (room / "cgroup.procs").read_text() == "0"


def test_what_is_in_the_control_group_is_ended(group_of: Any, tmp_path: Path) -> None:
    group = group_of(V1, "infinity")
    group.make()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as left:
        procs = tmp_path / "greenroom-blog-42/cgroup.procs"
        procs.write_text(f"{left.pid}\n")
        procs.chmod(0o644)
        ended = threading.Thread(target=group.end)
        ended.start()
        assert left.wait() == -signal.SIGKILL
        procs.write_text("")
        ended.join()


@pytest.mark.parametrize("memory_max", ["512M", "40%"])
def test_a_host_without_control_groups_runs_nothing_that_wants_a_limit(
    group_of: Any, memory_max: str
) -> None:
    with pytest.raises(SystemExit, match=rf"gunicorn_memory_max is {memory_max}, and this host"):
        group_of("", memory_max).make()


def test_and_all_else(group_of: Any) -> None:
    group = group_of("", "infinity")
    group.make()
    group.end()
    assert group.path == ""


def test_the_green_room(
    launch: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, int, int]] = []
    monkeypatch.setattr("os.chown", lambda *words: given.append(words))
    monkeypatch.setattr("grp.getgrnam", lambda name: type("", (), {"gr_gid": len(name)}))
    room = tmp_path / "blog"
    room.mkdir(mode=0o755)
    (room / "current.sock").symlink_to("/elsewhere")
    (room / "current.sock.new").symlink_to("/elsewhere")
    for _ in range(2):
        launch.open_green_room("blog", str(tmp_path))
        assert os.readlink(room / "current.sock") == "/srv/blog/current/.greenroom/socket"
        assert os.listdir(room) == ["current.sock"]
        assert room.stat().st_mode & 0o7777 == 0o3770
    assert given[0] == (str(room), 0, len("blog-web"))


def test_options_can_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "launch"
    file.write_text("# Ansible managed\n\n--drain=x\n")
    argv = [sys.executable, "-I", str(LAUNCH), "blog@42", f"@{file}"]
    said = subprocess.run(argv, check=False, stderr=subprocess.PIPE, text=True).stderr
    assert "argument --drain: invalid float value: 'x'" in said


# Look after a process that notes when it is asked to leave, and how it is asked.
DRIVER = """
import importlib.machinery, importlib.util, signal, subprocess, sys, time
loader = importlib.machinery.SourceFileLoader("launch", sys.argv[1])
spec = importlib.util.spec_from_loader("launch", loader)
launch = importlib.util.module_from_spec(spec); loader.exec_module(launch)
signal.pthread_sigmask(signal.SIG_BLOCK, launch.TOLD)
child = subprocess.Popen(
    [sys.executable, "-c", sys.argv[2]],
    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []),
)
code = launch.look_after(child, 0.5, *map(float, sys.argv[3:]))
sys.exit(77 if code is None else code)
"""


@pytest.mark.parametrize(
    ("release", "code"),
    [("import sys; sys.exit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_it_ends_as_the_release_does(release: str, code: int) -> None:
    run = subprocess.run([sys.executable, "-c", DRIVER, LAUNCH, release], check=False)
    assert run.returncode == code


def test_the_release_goes_on_for_a_moment_before_it_is_asked_to_leave() -> None:
    release = (
        "import os, signal, time\n"
        "say = lambda text: os.write(1, text.encode() + b'\\n')\n"  # print() is not for signals
        "leave = lambda *_: (say(f'left {time.time()}'), os._exit(0))\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "signal.signal(signal.SIGHUP, lambda *_: say('read again'))\n"
        "say(f'up {os.getppid()}')\n"
        "while True: signal.pause()\n"
    )
    argv = [sys.executable, "-c", DRIVER, str(LAUNCH), release]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == f"up {running.pid}\n"
        os.kill(running.pid, signal.SIGHUP)
        assert running.stdout.readline() == "read again\n"
        told = time.time()
        os.kill(running.pid, signal.SIGTERM)
        word, when = running.stdout.readline().split()
        assert word == "left"
        assert float(when) - told > 0.4
    assert running.returncode == 0


def test_one_that_does_not_leave_is_given_up() -> None:
    release = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('up', flush=True)\n"
        "time.sleep(20)\n"
    )
    argv = [sys.executable, "-c", DRIVER, str(LAUNCH), release, "0.3"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        assert running.stdout.readline() == "up\n"
        told = time.time()
        os.kill(running.pid, signal.SIGTERM)
        assert running.wait() == 77
        assert 0.7 < time.time() - told < 5
        running.stdout.close()
