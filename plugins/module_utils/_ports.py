# PRIVATE to the collection: which programs listen on a TCP port, by what the kernel has in /proc.
from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

PORT_TIMEOUT = 10  # seconds until a port must be free, or listened on
_PORT_INTERVAL = 0.01  # seconds between two looks
_LISTEN = "0A"  # the state of a socket that listens, in /proc/net/tcp


def who_listens(port: int, proc: str = "/proc") -> set[str]:
    """The names of the programs that listen on a TCP port; ``?`` for one that cannot be seen."""
    return {_program_of(socket, proc) for socket, on in _listening(proc).items() if on == port}


def ports_of(program: str, proc: str = "/proc") -> set[int]:
    """The TCP ports on which programs of that name listen."""
    return {on for socket, on in _listening(proc).items() if _program_of(socket, proc) == program}


def wait_for(port: int, is_reached: Callable[[set[str]], bool]) -> None:
    """Wait until the names of the programs that listen on a port satisfy a condition.

    Raises GreenroomError after PORT_TIMEOUT.
    """
    deadline = time.monotonic() + PORT_TIMEOUT
    while not is_reached(names := who_listens(port)):
        if time.monotonic() > deadline:
            who = f"{' and '.join(sorted(names))} has" if names else "no program has"
            raise GreenroomError(f"After {PORT_TIMEOUT} seconds {who} port {port}.")
        time.sleep(_PORT_INTERVAL)


def _listening(proc: str) -> dict[str, int]:
    """The sockets that listen, and the TCP port of each."""
    sockets = {}
    for name in ("tcp", "tcp6"):
        with suppress(OSError), open(f"{proc}/net/{name}", encoding="ascii") as file:
            for line in list(file)[1:]:
                words = line.split()
                if words[3] == _LISTEN:
                    sockets[f"socket:[{words[9]}]"] = int(words[1].rpartition(":")[2], 16)
    return sockets


def _program_of(socket: str, proc: str) -> str:
    """The name of a program that has a socket open."""
    for process in filter(str.isdigit, os.listdir(proc)):
        with suppress(OSError):  # it may be over
            for descriptor in os.scandir(f"{proc}/{process}/fd"):
                if os.readlink(descriptor.path) == socket:
                    with open(f"{proc}/{process}/comm", encoding="utf-8") as file:
                        return file.read().strip()
    return "?"
