# PRIVATE to the collection: working on files as the user whose they are, and not as root.
#
# The other way to do so, and why there are these two, is in _tree.py.
from __future__ import annotations

import json
import os
import pwd
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._tree import LIMIT


def as_user(user: str, function: Callable[..., Any], *arguments: Any, timeout: float = 60) -> Any:
    """What a function answers (in JSON's types) in a child that has become ``user`` for good.

    The child has no descriptor of this process, and cannot come back. ``timeout`` is in seconds.
    Raises what it raises, where that is a GreenroomError or an OSError.
    """
    entry = pwd.getpwnam(user)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_as(entry, writing, function, arguments)
    os.close(writing)
    said, deadline = b"", time.monotonic() + timeout
    try:
        while True:
            ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
            if not ready or len(said) > LIMIT:
                what = "has too much to say" if ready else f"did not end within {timeout:g} seconds"
                raise GreenroomError(f"Work on the files of {user} {what}.")
            more = os.read(reading, 2**16)
            if not more:
                break
            said += more
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)  # it has said all, or was too slow; it is not waited for yet
        os.waitpid(child, 0)
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise GreenroomError(f"Work on the files of {user} was ended by somebody.") from None
    if "refusal" in answer:
        raise GreenroomError(answer["refusal"])
    if "error" in answer:
        raise OSError(*answer["error"])
    return answer["answer"]


def _answer_as(
    entry: pwd.struct_passwd, writing: int, function: Callable[..., Any], arguments: Sequence[Any]
) -> NoReturn:
    """In the child: become the user, do it, and say what came of it."""
    try:
        # The kernel lets no other process of the user look into one that has changed its user.
        if entry.pw_uid != os.geteuid():
            os.setgroups(os.getgrouplist(entry.pw_name, entry.pw_gid))
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor < 3:
                os.dup2(nothing, descriptor)
            elif descriptor != writing:
                with suppress(OSError):  # that of the listing itself
                    os.close(descriptor)
        os.umask(0o027)
        os.chdir("/")
        answer: dict[str, Any] = {"answer": function(*arguments)}
    except GreenroomError as refusal:
        answer = {"refusal": str(refusal)}
    except OSError as error:
        answer = {"error": [error.errno, error.strerror, error.filename]}
        if error.errno is None:
            answer = {"refusal": str(error)}
    except BaseException as error:  # the child must not go on as the module
        answer = {"refusal": f"{type(error).__name__}: {error}"}
    with suppress(BaseException):
        said = memoryview(json.dumps(answer).encode())
        while said:
            said = said[os.write(writing, said) :]
    os._exit(0)
