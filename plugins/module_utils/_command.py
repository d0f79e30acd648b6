# PRIVATE to the collection: running a command as another user.
from __future__ import annotations

import os
import pwd
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from ansible_collections.greenroom.django.plugins.module_utils._error import (
    GreenroomError,
    TimeLimitError,
)
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import (
    OUT_OF_MEMORY,
    PROGRAM,
    Sandbox,
)

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The bundle that Debian keeps for the whole host. pip and uv carry lists of their own, which miss
# the certificate authority of a company.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# Bytes that a command may print. What needs more goes into a file.
OUTPUT_MAX = 64 * 1024 * 1024

# Descriptors that are held for as long as a command, or anything that it started, is there; and
# what is told the command's process number, which is that of its session too. See the lock.
handed_down: dict[int, Callable[[int], None]] = {}


def run(
    argv: Sequence[str],
    *,
    user: str | Sandbox | None = None,
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    stdin: str | IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    timeout: float | None = None,
    umask: int = 0o022,
) -> subprocess.CompletedProcess[str]:
    """Run ``argv`` and return what came of it, output decoded and never raising on the exit code.

    ``user`` becomes the process's user, with all of that user's groups. What runs code of an app or
    of a build names a sandbox instead, with which all that it started ends. ``timeout`` is in
    seconds.
    An open file as ``stdin`` or ``stdout`` is read or written by a process that could not open it
    itself.
    The environment holds PATH, HOME, LANG and what is given, nothing of the caller's.
    Raises GreenroomError when the command is not there, takes too long or prints too much; then all
    that it started is ended with it.
    """
    given = subprocess.PIPE if isinstance(stdin, str) else stdin or subprocess.DEVNULL
    with _as_user(argv, user, cwd, environment or {}, umask) as options:
        try:
            process = subprocess.Popen(
                stdin=given,
                stdout=stdout or subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                **options,
            )
        except FileNotFoundError as error:
            cure = " Run site.yml." if error.filename == PROGRAM else ""
            raise GreenroomError(f"{error.filename} is not on this host.{cure}") from error
        except OSError as error:
            raise GreenroomError(f"{argv[0]} cannot be run: {error.strerror}.") from error
        with process:
            for note in handed_down.values():
                note(process.pid)
            text = stdin.encode() if isinstance(stdin, str) else b""
            try:
                output, errors = _communicate(process, argv[0], text, timeout)
            except BaseException:
                _end(process, isinstance(user, Sandbox))
                raise
    if isinstance(user, Sandbox):
        _refuse_what_did_not_run(argv[0], process.returncode, errors, user)
    return subprocess.CompletedProcess(list(argv), process.returncode, output, errors)


@contextmanager
def _as_user(
    argv: Sequence[str],
    user: str | Sandbox | None,
    cwd: str,
    environment: Mapping[str, str],
    umask: int,
) -> Iterator[dict[str, Any]]:
    """How to start ``argv`` as that user: options of Popen."""
    name = user.user if isinstance(user, Sandbox) else user
    entry = pwd.getpwnam(name) if name is not None else None
    plain = {"PATH": PATH, "HOME": entry.pw_dir if entry else "/", "LANG": "C.UTF-8"}
    if isinstance(user, Sandbox) and user.home:
        plain["HOME"] = user.home
    variables, kept = {**plain, **environment}, tuple(handed_down)
    if isinstance(user, Sandbox):
        with user.command(argv, cwd, variables, kept) as (command, descriptors):
            yield {"args": command, "env": plain, "pass_fds": descriptors, "umask": umask}
        return
    options = {"args": list(argv), "cwd": cwd, "env": variables, "pass_fds": kept}
    identity: dict[str, Any] = {}
    if entry is not None:
        identity = {
            "user": entry.pw_uid,
            "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
            "umask": umask,
        }
    yield {**options, **identity}


def _communicate(
    process: subprocess.Popen[bytes], name: str, given: bytes, timeout: float | None
) -> tuple[str, str]:
    """Give a process its input, and wait for its end; its output and errors.

    Raises GreenroomError where it takes longer, or prints more, than it may.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    printed: dict[Any, bytearray] = {}
    with selectors.DefaultSelector() as selector:
        for stream in filter(None, (process.stdout, process.stderr)):
            printed[stream] = bytearray()
            selector.register(stream, selectors.EVENT_READ)
        if process.stdin:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            left = None if deadline is None else deadline - time.monotonic()
            ready = selector.select(left) if left is None or left > 0 else []
            if left is not None and not ready:
                raise TimeLimitError(f"{name} did not end within {timeout:g} seconds.")
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    with suppress(BrokenPipeError):
                        given = given[os.write(key.fd, given[:65536]) :]
                        if given:
                            continue
                    chunk = b""
                else:
                    chunk = os.read(key.fd, 65536)
                    printed[key.fileobj] += chunk
                    if len(printed[key.fileobj]) > OUTPUT_MAX:
                        raise GreenroomError(f"{name} printed more than {OUTPUT_MAX >> 20} MiB.")
                if not chunk:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeLimitError(f"{name} did not end within {timeout:g} seconds.") from None
    texts = [
        bytes(printed.get(stream, b"")).decode(errors="replace")
        for stream in (process.stdout, process.stderr)
    ]
    output, errors = (text.replace("\r\n", "\n").replace("\r", "\n") for text in texts)
    return output, errors


def _end(process: subprocess.Popen[bytes], confined: bool) -> None:
    """End a command and all that it started.

    In a sandbox its first process takes all others along, and its own end comes after theirs.
    """
    if confined:
        with suppress(OSError, subprocess.TimeoutExpired):
            path = f"/proc/{process.pid}/task/{process.pid}/children"
            with open(path, encoding="ascii") as file:
                for number in file.read().split():
                    os.kill(int(number), signal.SIGKILL)
            process.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _refuse_what_did_not_run(name: str, status: int, errors: str, sandbox: Sandbox) -> None:
    """Raise GreenroomError for a command that never began, or that was ended for its memory."""
    last = errors.strip().rpartition("\n")[2]
    if status == 127 and f": {name}: " in last:  # in the shell's words, which differ
        raise GreenroomError(f"{name} is not on this host.")
    if status == 126 and f": {name}: " in last and last.endswith(": Permission denied"):
        raise GreenroomError(f"{name} cannot be run: Permission denied.")
    if last.startswith(f"{PROGRAM}: "):
        raise GreenroomError(f"This host lets no sandbox be made for {name}: {last}")
    if last == OUT_OF_MEMORY:
        before = tail(errors.replace(OUT_OF_MEMORY, ""), 10)
        raise GreenroomError(
            f"{name} needed more memory than it may have ({sandbox.memory_max}, "
            f"app_build_memory_max).\n{before}".strip()
        )


def must_run(what: str, argv: Sequence[str], **options: Any) -> str:
    """Run ``argv`` and return its standard output, empty where that went to a file.

    Raises GreenroomError when it cannot run, and, with the end of its output, when it exits with
    anything but 0.
    ``what`` says in a few words what was being done.
    """
    try:
        result = run(argv, **options)
    except GreenroomError as error:
        raise type(error)(f"{what} failed: {error}") from error
    output = result.stdout or ""
    if result.returncode != 0:
        raise GreenroomError(
            f"{what} failed (exit {result.returncode}):\n{tail(output + result.stderr)}",
            exit_code=result.returncode,
        )
    return output


def is_running(program: str, user: str | Sandbox) -> bool:
    """Whether a program of that name, or one whose name begins so, is at work as that user."""
    number = pwd.getpwnam(user.user if isinstance(user, Sandbox) else user).pw_uid
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/comm", encoding="utf-8") as file:
            if os.stat(f"/proc/{name}").st_uid == number and file.read().startswith(program):
                return True
    return False


def tail(text: str, lines: int = 25) -> str:
    """The last ``lines`` lines of ``text``, which is where programs say what went wrong."""
    return "\n".join(text.strip().splitlines()[-lines:])


def meaningful_lines(log: str, lines: int = 25) -> str:
    """The last ``lines`` lines of a log, and before them the error that it all began with.

    That is the end of the first traceback. A server that takes its workers' death badly has much
    to say after it.
    """
    every = log.strip().splitlines()
    last = every[-lines:]
    starts = [n for n, line in enumerate(every) if line.startswith("Traceback (most recent call")]
    if not starts or starts[0] >= len(every) - lines:
        return "\n".join(last)
    # A traceback is indented; the error itself is the first line after it that is not.
    end = next(
        (n for n in range(starts[0] + 1, len(every)) if not every[n].startswith((" ", "\t"))),
        len(every) - 1,
    )
    if end >= len(every) - lines:
        return "\n".join(last)
    return "\n".join([*every[max(starts[0], end - 6) : end + 1], "[...]", *last])
