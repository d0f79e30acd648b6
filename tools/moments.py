"""Runs of a playbook that something happens to: at an exact moment, or from another machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import CHECKOUT, Host, HostError, PlaybookRun, ansible_environment, recap_of

# What a script does to the run that it is called from: all of its process group is gone at once.
KILL_THE_CONTROLLER = ("sh", "-c", "kill -KILL 0")

# Makes this machine look like another one to the action plugin begin.
ELSEWHERE = """\
import pathlib

real = pathlib.Path.read_text


def read_text(self, *arguments, **options):
    if str(self) == "/proc/sys/kernel/random/boot_id":
        return "another-machine\\n"
    return real(self, *arguments, **options)


pathlib.Path.read_text = read_text
"""


def at(
    moment: str,
    task: str,
    argv: Sequence[str | Path] = (),
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Return the environment of a run in which something happens at a task.

    Args:
        moment: "before" or "after"
        task: a part of the task's name
        argv: a command, for which the run stands still
        arguments: what to change in the task's own arguments
    """
    words = [str(word) for word in argv]
    what = {"moment": moment, "task": task, "argv": words, "arguments": arguments or {}}
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tools" / "callbacks"),
        "ANSIBLE_CALLBACKS_ENABLED": "at_a_task",
        "GREENROOM_AT": json.dumps(what),
    }


def elsewhere(folder: Path, person: str = "bob") -> dict[str, str]:
    """Return the environment of a run by another person on another machine.

    folder: where to put what it takes
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(ELSEWHERE)
    return {"PYTHONPATH": str(folder), "LOGNAME": person}


@dataclass
class Running:
    """A run of a playbook that goes on beside us, in a process group of its own."""

    process: subprocess.Popen[str]
    started: float
    #: what it printed, once it has ended
    output: str = ""
    #: what it waits for, where it stands still
    go_on: Path | None = None
    ended: PlaybookRun | None = None

    @classmethod
    def start(
        cls,
        host: Host,
        playbook: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
    ) -> Running:
        """Start it, with the inventory of the host that was written last."""
        process = subprocess.Popen(
            [
                CHECKOUT / ".venv" / "bin" / "ansible-playbook",
                "-i",
                host.last_inventory,
                playbook,
                *arguments,
            ],
            cwd=CHECKOUT,
            env=ansible_environment(env or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        return cls(process, time.monotonic())

    def let_go(self) -> None:
        """Have it go on, where it stands still."""
        if self.go_on:
            self.go_on.touch()

    def kill(self) -> None:
        """Kill all of it at once: its workers and their ssh too, as when a battery is empty."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def end(self, timeout: float = 300) -> PlaybookRun:
        """Wait until it has ended, and return how; again where it was waited for before.

        Raises HostError, and kills it, where that takes longer than ``timeout`` seconds.
        """
        if self.ended is None:
            try:
                self.output = self.process.communicate(timeout=timeout)[0]
            except subprocess.TimeoutExpired as error:
                self.kill()
                self.output = self.process.communicate()[0]
                raise HostError(f"it did not end in {timeout} s:\n{self.output}") from error
            seconds = time.monotonic() - self.started
            numbers = recap_of(self.output)
            self.ended = PlaybookRun(self.process.returncode, self.output, "", seconds, numbers)
        return self.ended


def run(
    host: Host, playbook: str, *arguments: str, env: Mapping[str, str] | None = None
) -> PlaybookRun:
    """Run a playbook in a process group of its own, so that all of it can be killed."""
    return Running.start(host, playbook, *arguments, env=env).end()


def one_line(run: PlaybookRun) -> str:
    """What a run said, without the line ends and quotes that Ansible's output puts into it."""
    return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())


def wait_until(host: Host, script: str, seconds: float = 60) -> str:
    """Wait until a shell script on the host prints something, and return that."""
    deadline = time.monotonic() + seconds
    while True:
        found = host.shell(script, check=False).strip()
        if found:
            return found
        if time.monotonic() > deadline:
            raise HostError(f"{host.name}: nothing came of {script!r} in {seconds:.0f} s")
        time.sleep(0.1)
