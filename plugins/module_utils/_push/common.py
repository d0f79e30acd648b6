# PRIVATE to the collection: what both ends of a push share: whoever takes it, and root's own part.
from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

OURS = "/usr/local/lib/greenroom"
NOTHING = "0" * 40
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOST_FILES = 200_000  # of one revision
PLAIN = "What is printable is; no part of it begins with a dot or a dash, and none has two dots."


def refuse(*lines: str) -> NoReturn:
    """Say why not, to whom it is sent, and end."""
    print(*lines, sep="\n", file=sys.stderr, flush=True)
    sys.exit(1)


def run(*argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command, and return how it ended with what it printed; its errors go to who pushes."""
    return subprocess.run(
        argv, check=False, text=True, stdout=subprocess.PIPE, env=env, stdin=subprocess.DEVNULL
    )


def as_root(verb: str, app: str, words: str = "", **options: Any) -> Any:
    """Ask this program, as root, for what only root may."""
    argv = ["sudo", "-n", f"{OURS}/push", verb, app]
    return subprocess.run(argv, check=False, text=True, input=words, **options)


class Place:
    """The repository that is pushed to, and the one that a deploy takes a revision from."""

    def __init__(self, app: str, suffix: str) -> None:
        self.repository = f"/srv/{app}/push/{app}{suffix}"
        self.incoming = f"/srv/{app}/push/incoming{suffix}"

    @contextmanager
    def turn(self, who: str) -> Iterator[str]:
        """Have the word on the repositories, as long as nobody else has it; who has it, if so.

        It is for the moment before a deploy has the lock: what a second push would bring then would
        take the place of what the first one is about to deploy.
        """
        with open(f"{self.incoming}/greenroom.lock", "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                yield file.read()
                return
            file.truncate(0)
            file.write(
                f"{who} is at work here, since {time.strftime('%H:%M:%S')} of this host's time"
            )
            file.flush()
            yield ""


def is_plain(name: str) -> bool:
    """Whether a name can be shown on a terminal, and is taken for no option and no path."""
    parts = name.split("/")
    odd = [part for part in parts if not part or part.startswith((".", "-")) or ".." in part]
    return name.isprintable() and not odd


def refuse_too_much(listing: list[str], most: int) -> None:
    """Refuse a revision that would fill the disk when it is unpacked, though it came as little.

    listing: the command that lists its files, each with a zero byte at its end, and with its size
    as the last word before a tab
    """
    files = size = 0
    rest = b""
    with subprocess.Popen(listing, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stdout
        while block := process.stdout.read(2**16):
            *lines, rest = (rest + block).split(b"\0")
            files += len(lines)
            for line in lines:
                word = line.partition(b"\t")[0].split()[-1]
                size += int(word) if word.isdigit() else 0  # a submodule has none
            if files > MOST_FILES or size > most:
                process.kill()
                refuse(
                    f"Unpacked, it has more than {MOST_FILES} files, or than {most >> 20} MiB, "
                    "which is push_max_size."
                )


def way_back(revision: str) -> list[str]:
    """The refusal of a revision older than the current release, in lines."""
    return [
        f"{revision[:12]} is older than the current release, and nothing was changed. Roll back:",
        f"    ansible-playbook rollback.yml -e rev={revision[:12]}",
    ]


def deploy_it(mine: dict[str, Any], revision: str) -> None:
    """Deploy a revision, whose steps go to who pushes; end where it does not serve."""
    sys.stdout.flush()
    words = json.dumps({"revision": revision, "who": mine["who"]})
    if as_root("deploy", mine["app"], words, stderr=subprocess.STDOUT).returncode:
        refuse("The push is refused: it does not serve.")
