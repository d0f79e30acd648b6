# PRIVATE to the collection: one run at a time works on an app on a host.
#
# Two things together see to it. A lease in a file says whose turn it is, for hours, across many
# connections. And a kernel lock says that a step works on the host right now: every process of the
# step holds it, so it lasts as long as the last of them and no longer, whatever becomes of the
# controller. The lease changes hands only while no step works, and a step starts only where the
# lease is its run's. So two runs never work at once, even when one of them had been given up.
from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._command import handed_down
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import write_json

# Seconds without a sign of life after which a lock counts as left behind. Every step of a run
# renews it, so this is how long the controller may be silent between two of them: for a hook of the
# user's, or for the slowest of the other hosts.
LEASE = 3600

# The variable with a run's token that the playbooks give to all that they start on a host: to the
# modules of Greenroom, and to the user's hooks.
MARK = "GREENROOM_RUN"

# Seconds that a step waits for the one before it in the same run. It had ended, as far as the
# controller knows, so this is for a connection that broke and was tried again.
PATIENCE = 600


class Lock:
    """A lease in a file, and a kernel lock beside it.

    ``holder`` says who runs: token, by, controller, pid, started, since (Unix seconds).
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.step_path = f"{path}.step"

    def holder(self) -> dict[str, Any] | None:
        """Who holds it now, or None; a lease that ran out is held by nobody."""
        written = self._written()
        try:
            silent = time.time() - os.stat(self.path).st_mtime
        except FileNotFoundError:
            return None
        return None if silent > LEASE else written

    def check(self, holder: dict[str, Any], dead: str | None = None) -> None:
        """Nothing, where ``holder`` could take it; see take()."""
        self._refuse_another(holder, dead)
        if os.path.exists(self.step_path):
            with self._while_nothing_works():
                pass

    def take(self, holder: dict[str, Any], dead: str | None = None) -> None:
        """Take it for ``holder``; a lock whose token is ``dead`` is taken over.

        Raises GreenroomError, saying who holds it and since when, when somebody else does, or when
        something that an earlier run started still works on the host.
        """
        with self._turn():
            self._refuse_another(holder, dead)
            with self._while_nothing_works():
                write_json(self.path, holder, mode=0o600)

    def release(self, token: str) -> bool:
        """Give it back, if ``token`` holds it; whether it was held."""
        with self._turn():
            holder = self.holder()
            if holder is None or holder["token"] != token:
                return False
            os.unlink(self.path)
            return True

    @contextmanager
    def step(self, token: str, name: str) -> Iterator[None]:
        """Work as a step of the run with ``token``, whose lease is renewed; ``name`` is for others.

        An empty token is that of a step which belongs to no run.
        Raises GreenroomError where the lock is not (or no more) that run's.
        """
        with self._opened() as descriptor:
            deadline = time.monotonic() + PATIENCE
            while not _lock(descriptor):
                if time.monotonic() > deadline:
                    raise self._still_works(self._of_the_step())
                time.sleep(0.1)
            by = self._renew(token)
            step = {"step": name, "by": by, "since": time.time()}
            self._describe(step)
            handed_down[descriptor] = lambda number: self._describe({**step, "session": number})
            try:
                yield
            finally:
                del handed_down[descriptor]
                self._describe(None)
                # Whatever it may have left running counts no more: it says itself that it is done.
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _refuse_another(self, holder: dict[str, Any], dead: str | None = None) -> None:
        """Raise GreenroomError where it is held, and neither by ``holder`` nor by who is dead."""
        other = self.holder()
        if other is None or (other["token"] and other["token"] in (holder["token"], dead)):
            return
        raise GreenroomError(
            f"{other['by']} is at work here, since {_since(other['since'])}. "
            "Try again when that run has ended, or have it waited for: -e wait=600. "
            f"If it is dead: rm {self.path}",
            holder=other,
        )

    def _renew(self, token: str) -> str:
        """Say that the run with ``token`` is alive; who runs it.

        Raises GreenroomError where the lock is not its own.
        """
        if not token:  # a step by itself, in a playbook of the user's own
            self._refuse_another({"token": ""})
            return "somebody"
        held = self._written()
        if held is not None and held["token"] == token:
            os.utime(self.path)
            return str(held["by"])
        now = f"{held['by']} has it, since {_since(held['since'])}" if held else "nobody has it"
        raise GreenroomError(
            f"This run has lost the lock {self.path}: {now}. It stops here and changes nothing "
            "more, since two runs at once would undo each other's work. Deploy again."
        )

    def _written(self) -> dict[str, Any] | None:
        """What the file says, however old; None where there is none."""
        try:
            with open(self.path, "rb") as file:
                written, content = os.fstat(file.fileno()).st_mtime, file.read()
        except FileNotFoundError:
            return None
        nameless = {"token": None, "by": "a run that left no name", "since": written}
        try:
            return {**nameless, **json.loads(content)}
        except (ValueError, TypeError):
            return nameless

    @contextmanager
    def _while_nothing_works(self) -> Iterator[None]:
        """No step starts meanwhile. Raises GreenroomError where something works already."""
        with self._opened() as descriptor:
            if not _lock(descriptor):
                raise self._still_works({**self._of_the_step(), **self._marked()})
            if hooks := self._marked():
                raise self._still_works(hooks)
            yield

    def _still_works(self, processes: dict[int, str]) -> GreenroomError:
        """The error that names what still works on the host, though its run does not hold on."""
        step = self._step()
        if not step:  # a hook of the user's, which says nothing of itself
            written = self._written() or {"by": "somebody", "since": time.time()}
            step = {**written, "step": "something that it started"}
        names = ", ".join(f"{name} ({number})" for number, name in sorted(processes.items()))
        numbers = " ".join(str(number) for number in sorted(processes))
        # The first process of a sandbox, with which all that is in there ends, hears nothing else.
        return GreenroomError(
            f"The last run, of {step['by']}, is over or out of reach, but it still works on the "
            f"host: {step['step']}, since {_since(step['since'])}. Try again when that has ended, "
            "or have it waited for: -e wait=600."
            + (f" Its processes: {names}. If they never end: kill -9 {numbers}" if names else ""),
            working=step,
        )

    def _marked(self) -> dict[int, str]:
        """What the run that holds the lock, or left it, has started itself, and what that did."""
        token = (self._written() or {}).get("token")
        mark = f"{MARK}={token}".encode()
        return _processes(lambda number: mark in _environment(number)) if token else {}

    def _of_the_step(self) -> dict[int, str]:
        """The processes of the step that works.

        In a container root may be kept from seeing what other users' processes have open.
        """
        path, session = os.path.realpath(self.step_path), self._step().get("session")
        return _processes(lambda number: _session(number) == session or path in _open_files(number))

    def _step(self) -> dict[str, Any]:
        """What the step that works says of itself; nothing where there is none."""
        try:
            with open(self.step_path, encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError):
            return {}

    def _describe(self, step: dict[str, Any] | None) -> None:
        """Say which step works; a disk that is full must not stop it, nor what cleans up."""
        text = json.dumps(step).encode() if step else b""
        with suppress(OSError):
            descriptor = os.open(self.step_path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                # Written first and cut then: one that is killed meanwhile leaves what it said.
                os.write(descriptor, text)
                os.ftruncate(descriptor, len(text))
            finally:
                os.close(descriptor)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file that steps lock. Read-only: the app's own code gets to inherit it."""
        descriptor = os.open(self.step_path, os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Nobody else looks and writes meanwhile. The kernel ends the turn of one that dies."""
        descriptor = os.open(f"{self.path}.turn", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock it, if nobody else has; whether that was so."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _processes(wanted: Callable[[int], bool]) -> dict[int, str]:
    """Those that are wanted, by their numbers: the names of their programs, without arguments.

    An argument may hold a secret.
    """
    found = {}
    for number in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        with suppress(OSError):  # it has ended meanwhile
            if number != os.getpid() and wanted(number):
                with open(f"/proc/{number}/comm", encoding="utf-8", errors="replace") as file:
                    found[number] = file.read().strip()
    return found


def _open_files(number: int) -> set[str]:
    """What a process has open; files that it closes meanwhile are left out."""
    found, folder = set(), f"/proc/{number}/fd"
    for name in os.listdir(folder):
        with suppress(OSError):
            found.add(os.readlink(os.path.join(folder, name)))
    return found


def _session(number: int) -> int:
    with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[3])


def _environment(number: int) -> list[bytes]:
    with open(f"/proc/{number}/environ", "rb") as file:
        return file.read().split(b"\0")


def _since(seconds: float) -> str:
    """How long ago, and when: ``2 min (10:41:02 UTC)``."""
    minutes = (time.time() - seconds) / 60
    return f"{minutes:.0f} min ({time.strftime('%H:%M:%S UTC', time.gmtime(seconds))})"
