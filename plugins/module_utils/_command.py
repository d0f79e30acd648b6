# PRIVATE to the collection: running a command as another user, without a shell.
from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The bundle that Debian keeps for the whole host. pip and uv carry lists of their own, which miss
# the certificate authority of a company.
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# Descriptors that every command inherits, with all that it starts; and what is told the command's
# process number, which is that of its session too. See the lock.
handed_down: dict[int, Callable[[int], None]] = {}


def run(
    argv: Sequence[str],
    *,
    user: str | None = None,
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    stdin: str | IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
    timeout: float | None = None,
    umask: int = 0o022,
) -> subprocess.CompletedProcess[str]:
    """Run ``argv`` and return what came of it, output decoded and never raising on the exit code.

    ``user`` becomes the process's user, with all of that user's groups; ``timeout`` is in seconds.
    An open file as ``stdin`` or ``stdout`` is read or written by a process that could not open it
    itself.
    The environment holds PATH, HOME, LANG and what is given, nothing of the caller's.
    Raises GreenroomError when the command is not there or takes too long; then all that it started
    is ended with it.
    """
    base = {"PATH": PATH, "HOME": "/", "LANG": "C.UTF-8"}
    identity: dict[str, Any] = {}
    if user is not None:
        entry = pwd.getpwnam(user)
        base["HOME"] = entry.pw_dir
        identity = {
            "user": entry.pw_uid,
            "group": entry.pw_gid,
            "extra_groups": os.getgrouplist(user, entry.pw_gid),
            "umask": umask,
        }
    text = stdin if isinstance(stdin, str) else None
    given = subprocess.PIPE if isinstance(stdin, str) else stdin or subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**base, **(environment or {})},
            stdin=given,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=tuple(handed_down),
            start_new_session=True,
            **identity,
        )
    except FileNotFoundError as error:
        raise GreenroomError(f"{error.filename} is not on this host.") from error
    except OSError as error:
        raise GreenroomError(f"{argv[0]} cannot be run: {error.strerror}.") from error
    with process:
        for note in handed_down.values():
            note(process.pid)
        try:
            output, errors = process.communicate(text, timeout=timeout)
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise GreenroomError(
                    f"{argv[0]} did not end within {timeout:g} seconds."
                ) from error
            raise
    return subprocess.CompletedProcess(list(argv), process.returncode, output, errors)


def must_run(what: str, argv: Sequence[str], **options: Any) -> str:
    """Run ``argv`` and return its standard output, empty where that went to a file.

    Raises GreenroomError when it cannot run, and, with the end of its output, when it exits with
    anything but 0.
    ``what`` says in a few words what was being done.
    """
    try:
        result = run(argv, **options)
    except GreenroomError as error:
        raise GreenroomError(f"{what} failed: {error}") from error
    output = result.stdout or ""
    if result.returncode != 0:
        raise GreenroomError(
            f"{what} failed (exit {result.returncode}):\n{tail(output + result.stderr)}",
            exit_code=result.returncode,
        )
    return output


def is_running(program: str, user: str) -> bool:
    """Whether a program of that name, or one whose name begins so, is at work as that user."""
    number = pwd.getpwnam(user).pw_uid
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/comm", encoding="utf-8") as file:
            if os.stat(f"/proc/{name}").st_uid == number and file.read().startswith(program):
                return True
    return False


def tail(text: str, lines: int = 25) -> str:
    """The last ``lines`` lines of ``text``, which is where programs say what went wrong."""
    return "\n".join(text.strip().splitlines()[-lines:])


def telling_lines(log: str, lines: int = 25) -> str:
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
