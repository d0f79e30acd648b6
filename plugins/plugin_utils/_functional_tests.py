# PRIVATE to the collection: running the user's own tests against a site, on the controller.
from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

DRAIN = 5.0  # seconds for what a killed command has still said

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, None where its time was up, and how long it took."""

    code: int | None
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether it went well."""
        return self.code == 0

    def __str__(self) -> str:
        how = "had not ended" if self.code is None else f"ended with {self.code}"
        return f"{how} after {self.seconds:.0f} s"


def is_there(command: str) -> bool:
    """Whether the program of a command can be there: on the PATH, or perhaps in the app's tree."""
    program = shlex.split(command)[0]
    return "/" in program or "." in program or shutil.which(program) is not None


def told(url: str) -> dict[str, str]:
    """The variables in which tests expect a site's address, each as those expect it who use it.

    pytest-base-url (and with it Playwright's plugin and pytest-selenium) reads PYTEST_BASE_URL, and
    what is in the book "Test-Driven Development with Python" reads STAGING_SERVER, or TEST_SERVER,
    with no scheme.
    """
    server = urlsplit(url).netloc
    return {
        "BASE_URL": url,
        "PYTEST_BASE_URL": url,
        "STAGING_SERVER": server,
        "TEST_SERVER": server,
    }


def _end_with_us() -> None:
    """Have the kernel kill this process when the run is killed, where it can (Linux).

    Tests that go on would write to a site that somebody else deploys to by then.
    """
    with suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(
    command: str,
    folder: str,
    variables: Mapping[str, str],
    timeout: float,
    say: Callable[[str], None],
) -> Outcome:
    """Run a command in a folder, and say each line that it prints; how it ended.

    Its program is one of the PATH, or a file of the folder. ``timeout`` is in seconds. Raises
    GreenroomError where there is no such program.
    """
    program, *arguments = shlex.split(command)
    if "/" not in program and shutil.which(program) is None:
        program = f"./{program}"
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            [program, *arguments],
            cwd=folder,
            env={**variables, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that all that it starts can be ended with it
            preexec_fn=_end_with_us,
        )
    except OSError as error:
        raise GreenroomError(
            f"app_functional_tests is {command!r}, and {program} cannot be run on this machine, "
            f"where the tests run in a clone of the repository: {error.strerror}."
        ) from error

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            say(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    code: int | None = None
    try:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(timeout)
    finally:
        with suppress(ProcessLookupError):  # a browser that was left open, too
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join(DRAIN)
    return Outcome(code, time.monotonic() - began)
