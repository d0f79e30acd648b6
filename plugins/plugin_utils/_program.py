# PRIVATE to the collection: running the programs of source controls on the controller.
#
# They go the way that a person there would: with that person's keys, agent, helpers and name.
from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from ansible_collections.greenroom.django.plugins.module_utils._command import tail
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES

# A deploy may be started by a hook of another repository, which would be taken for ours.
_OF_A_HOOK = [pattern for kind in SOURCES.values() for pattern in kind.hook_variables]


def inherited() -> dict[str, str]:
    """The variables of the environment, without what is about another repository."""
    return {
        name: value
        for name, value in os.environ.items()
        if not any(fnmatchcase(name, pattern) for pattern in _OF_A_HOOK)
    }


def run(
    argv: Sequence[str], folder: str, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, with variables of its own; how it ended.

    Raises GreenroomError where it is not on this machine.
    """
    try:
        return subprocess.run(
            list(argv),
            cwd=folder,
            env={**inherited(), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            start_new_session=True,  # ssh would ask the terminal otherwise
        )
    except FileNotFoundError as error:
        raise GreenroomError(
            f"This needs {argv[0]} on this machine, and it is not here."
        ) from error


def must(done: subprocess.CompletedProcess[str], what: str) -> str:
    """What a program has printed. Raises GreenroomError, in its own words, where it failed."""
    if done.returncode != 0:
        raise GreenroomError(
            f"{what} failed on this machine, in a clone of its own; nothing was "
            f"pushed:\n{tail(done.stderr)}"
        )
    return done.stdout
