# PRIVATE to the collection: takes a push and deploys it; the push is refused unless its revision
# becomes the current release.
"""Four programs, in the order in which a push comes to them.

    push open APP KIND BRANCH WHO SIZE TIMEOUT
                      what sshd runs for a key, as the user that pushes come to
    HOOK ARGUMENTS    the hook of the source control, before what was pushed is taken: a link to
                      push, or push hook
    push deploy APP   the deploy, as root; the revision and who pushed it on stdin

SIZE is in MiB, TIMEOUT in seconds. Beside them is `push serving APP`, as root: the revision of the
current release.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.greenroom.django.plugins.module_utils._push import KINDS
from ansible_collections.greenroom.django.plugins.module_utils._push.common import PATH, refuse

ANSIBLE = "/opt/greenroom-ansible"
SAY_TIMEOUT = 60  # seconds that whoever pushes may take for a line
WHO = r"[A-Za-z0-9._@+-]{1,100}"


def take(app: str, kind: str, branch: str, who: str, size: str, timeout: str) -> None:
    """Let a push in, and nothing else: what was asked of sshd is looked at, and never run."""
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    # What sshd lets a client set could make a source control run something.
    home = pwd.getpwuid(os.getuid()).pw_dir
    os.environ.clear()
    os.environ.update({"PATH": PATH, "HOME": home, "LANG": "C.UTF-8"})
    found = KINDS[kind].ASKS.fullmatch(asked)
    if not found:
        refuse(f"This account takes pushes of {app}, by {kind}, and nothing else.")
    if found[1] != app:
        refuse(f"There is no {found[1]!a} here; {app} alone can be pushed to.")
    most = int(size) * 2**20
    mine = {"app": app, "kind": kind, "branch": branch, "who": who, "most": most}
    os.environ["GREENROOM_PUSH"] = json.dumps({**mine, "clock": os.getpid()})
    os.umask(0o027)
    sys.exit(attend(KINDS[kind].command(mine), most, int(timeout)))


def attend(argv: list[str], most: int, timeout: int) -> int:
    """Run what takes the push, and end it where too much comes, or too slowly; its exit status.

    The clock stands still while the hook is at work: a deploy takes its time, and is not ended.
    """
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)
    why: list[str] = []

    def end(reason: str) -> None:
        why.append(reason)
        # It takes away what it has written so far; or else it is killed.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM if len(why) == 1 else signal.SIGKILL)
        signal.alarm(5)

    late = f"It was not there after {timeout} seconds, which is push_timeout."
    signal.signal(signal.SIGALRM, lambda *_: end(late))
    large = f"It is larger than {most >> 20} MiB, which is push_max_size."
    signal.signal(signal.SIGXFSZ, lambda *_: end(large))
    signal.signal(signal.SIGUSR1, lambda *_: signal.alarm(0))
    signal.signal(signal.SIGUSR2, lambda *_: signal.alarm(timeout))
    signal.alarm(timeout)
    threading.Thread(target=hand_on, args=(process, most), daemon=True).start()
    code = process.wait()
    signal.alarm(0)
    if why:
        refuse(f"The push is refused. {why[0]}")
    return code


def hand_on(process: subprocess.Popen[bytes], most: int) -> None:
    """Hand on what comes, as long as it is not too much.

    A source control may measure it too; there is room for what its protocol needs beside.
    """
    assert process.stdin
    taken = 0
    with suppress(OSError), process.stdin:
        while block := os.read(0, 2**16):
            taken += len(block)
            if taken > most + 2**20:
                os.kill(os.getpid(), signal.SIGXFSZ)
                return
            process.stdin.write(block)
            process.stdin.flush()


# As root. Nothing is believed of who asks but that they may push.


def serving(app: str) -> None:
    """Print the revision that serves; nothing where none does."""
    with suppress(OSError, ValueError, KeyError):
        number = int(os.path.basename(os.readlink(f"/srv/{app}/current")))
        with open(f"/srv/{app}/journal.json", encoding="utf-8") as journal:
            entries = json.load(journal)["releases"]
        print(*(entry["revision"] for entry in entries if entry["number"] == number))


def deploy(app: str) -> None:
    """Run the deploy, to its end even where nobody listens any more."""
    asked = json.loads(sys.stdin.read(1000))
    revision, who = str(asked["revision"]), str(asked["who"])
    if not re.fullmatch("[0-9a-f]{40}([0-9a-f]{24})?", revision) or not re.fullmatch(WHO, who):
        refuse("That is no revision, or nobody.")
    inventory = f"/etc/{app}/push/inventory.yml"
    process = subprocess.Popen(
        [
            f"{ANSIBLE}/bin/ansible-playbook",
            f"--inventory={inventory}",
            f"--extra-vars={json.dumps({'rev': revision})}",
            "greenroom.django.deploy",
        ],
        cwd="/",
        env={
            "ANSIBLE_CONFIG": f"{ANSIBLE}/ansible.cfg",
            "GREENROOM_BY": who,
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "PATH": PATH,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=0o022,  # and not that of who asks
    )
    assert process.stdout
    listens = True
    for line in process.stdout:
        listens = listens and say(line)
    code = process.wait()
    if not listens:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def say(line: bytes) -> bool:
    """Say something to who pushes; whether they still listen.

    A pipe that can be written to takes 4096 bytes at once. Whoever takes nothing for so long does
    not listen, and must not keep a deploy from its end.
    """
    for start in range(0, len(line), 4096):
        try:
            if not select.select([], [1], [], SAY_TIMEOUT)[1]:
                return False
            os.write(1, line[start : start + 4096])
        except OSError:
            return False
    return True


@contextmanager
def clock_stopped() -> Iterator[None]:
    """What is done meanwhile is no time of who pushes: all is there by now."""
    clock = json.loads(os.environ["GREENROOM_PUSH"])["clock"]
    with suppress(ProcessLookupError):
        os.kill(clock, signal.SIGUSR1)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(clock, signal.SIGUSR2)


def main(argv: list[str]) -> None:
    """Run the program that was asked for."""
    verbs = {"open": take, "serving": serving, "deploy": deploy}
    if os.path.basename(argv[0]) == "push" and argv[1] in verbs:
        verbs[argv[1]](*argv[2:])  # type: ignore[operator]  # each takes its own words
        return
    mine = json.loads(os.environ["GREENROOM_PUSH"])
    arguments = argv[2:] if os.path.basename(argv[0]) == "push" else argv[1:]
    with clock_stopped():
        KINDS[mine["kind"]].hook(mine, *arguments)
