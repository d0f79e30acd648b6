"""The launcher of a release, for service managers that know no drain and no environment files."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

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


def test_its_limits_and_its_user(launch: ModuleType) -> None:
    argv = launch.confined("blog", "42", "512M", 4096)
    assert argv[:4] == ["systemd-run", "--quiet", "--collect", "--scope"]
    assert argv[4] == "--unit=blog-42.scope"
    limits = ("--property=MemoryMax=512M", "--property=Delegate=yes", "--nofile=4096:4096")
    for word in (*limits, "--reuid=blog", "--no-new-privs"):
        assert word in argv
    assert argv[-3:] == [str(LAUNCH), "--become", "blog@42"]


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
sys.exit(launch.look_after(child, 0.5))
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
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('left', time.time()), sys.exit(0)))\n"
        "signal.signal(signal.SIGHUP, lambda *_: print('read again', flush=True))\n"
        "print('up', os.getppid(), flush=True)\n"
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
        assert 0.4 < float(when) - told < 5
    assert running.returncode == 0
