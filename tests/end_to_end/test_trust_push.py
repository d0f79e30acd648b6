"""Whoever may push may push so much, in so long a time, what is whole and has a plain name.

What is refused leaves the host as it was, and a push that is well still serves in the end. What
Mercurial does is in test_trust_push_mercurial.py.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from example import Example, settings
from fleet import release_of
from host import Host, command, key

from tests.end_to_end.releases import HOME
from tests.end_to_end.test_push import REPOSITORY, Pushes

pytestmark = pytest.mark.story

SIZE = 2  # MiB
TIMEOUT = 30  # seconds
MIB = 2**20


def bounded() -> dict[str, Any]:
    """The settings of the hosts here."""
    public = Path(f"{key()}.pub").read_text().strip()
    return {"push_keys": [public], "push_max_size": SIZE, "push_timeout": TIMEOUT}


@pytest.fixture(scope="module")
def pushes(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Pushes:
    """A host that takes small pushes, and lets a client set what it likes."""
    longer = f"python -c 'import os, time; time.sleep({TIMEOUT} * os.path.exists(\"slow\"))'"
    own = {**settings("localhost", host.address), **bounded()}
    host.inventory(host.last_inventory, **own, app_commands_before_collectstatic=[longer])
    host.prepare("push")
    host.shell("echo 'AcceptEnv *' >/etc/ssh/sshd_config.d/lax.conf; systemctl reload ssh")
    pushes = Pushes(host, Example.make(tmp_path_factory.mktemp("playbill")))
    pushes.push()
    return pushes


def used(host: Host) -> int:
    """How many bytes all that was pushed takes."""
    return int(host.shell(f"du -sb {HOME}/push | cut -f1"))


def write(pushes: Pushes, name: str, content: bytes) -> None:
    """Commit a file on main."""
    (pushes.example.path / name).write_bytes(content)
    pushes.example.git("add", "--force", name)
    pushes.example.git("commit", "--quiet", "--message", "A change")


def back_to(pushes: Pushes, revision: str) -> None:
    pushes.example.git("reset", "--quiet", "--hard", revision)


def test_a_deploy_may_take_longer_than_its_push(pushes: Pushes) -> None:
    pushes.commit(slow="")
    started = time.monotonic()
    pushes.push()
    assert time.monotonic() - started > TIMEOUT
    assert release_of(pushes.host) == 2
    pushes.example.git("rm", "--quiet", "slow")
    pushes.commit()
    pushes.push()


def test_one_that_is_too_large(pushes: Pushes) -> None:
    served, before = pushes.branch(), used(pushes.host)
    write(pushes, "noise", os.urandom((SIZE + 1) * MIB))
    said = pushes.refuse()
    assert "pack exceeds maximum allowed size" in said, said
    assert used(pushes.host) < before + MIB // 2, "nothing of it stays"
    back_to(pushes, served)


def test_one_that_grows_when_it_is_unpacked(pushes: Pushes) -> None:
    served = pushes.branch()
    write(pushes, "zeros", bytes((SIZE + 1) * MIB))
    assert f"Unpacked, it has more than 200000 files, or than {SIZE} MiB" in pushes.refuse()
    back_to(pushes, served)


def test_one_of_more_files_than_there_are_atoms(pushes: Pushes) -> None:
    """A few small objects, each of which names the one below it many times."""
    served, git = pushes.branch(), pushes.example.git
    blob = git("hash-object", "-w", "manage.py")
    kind, inner = "100644 blob", blob
    for _ in range(10):
        entries = "".join(f"{kind} {inner}\tf{n}\n" for n in range(16))
        inner = command(
            "git", "-C", str(pushes.example.path), "mktree", input=entries
        ).stdout.strip()
        kind = "040000 tree"
    bomb = git("commit-tree", "-p", served, "-m", "Bang", inner)
    said = pushes.refuse("staging", f"{bomb}:main")
    assert "Unpacked, it has more than 200000 files" in said


def literal(pushes: Pushes, kind: str, content: bytes) -> str:
    """Write an object that git would not make."""
    argv = ["git", "-C", str(pushes.example.path), "hash-object", "--literally", "-w", "--stdin"]
    run = subprocess.run([*argv, "-t", kind], input=content, capture_output=True, check=True)
    return run.stdout.decode().strip()


@pytest.mark.parametrize("name", [b".git", b"..", b"a/b", b".GIT"])
def test_a_tree_that_leads_out_of_itself(pushes: Pushes, name: bytes) -> None:
    blob = bytes.fromhex(pushes.example.git("hash-object", "-w", "manage.py"))
    tree = literal(pushes, "tree", b"100644 " + name + b"\0" + blob)
    commit = pushes.example.git("commit-tree", "-p", pushes.branch(), "-m", "Out", tree)
    assert "fsck error in packed object" in pushes.refuse("staging", f"{commit}:main")


def test_a_tag_of_what_is_no_commit(pushes: Pushes) -> None:
    for what in ("HEAD:manage.py", "HEAD^{tree}"):
        pushes.example.git("tag", "--force", "odd", what)
        assert "odd is to name a commit" in pushes.refuse("staging", "odd")
        pushes.example.git("tag", "--force", "--annotate", "--message", "Odd", "odd", what)
        assert "odd is to name a commit" in pushes.refuse("staging", "odd")


@pytest.mark.parametrize(
    "name", ["-rf", "x/-rf", "\u202egpj.exe", "\u009b31m", "\u200b"], ids=ascii
)
def test_a_name_that_is_not_plain(pushes: Pushes, name: str) -> None:
    for ref in (f"refs/tags/{name}", f"refs/heads/{name}"):
        said = pushes.refuse("staging", f"HEAD:{ref}")
        assert f"{ref!a} is no plain name." in said
        there = ["git", f"--git-dir={HOME}/push/incoming.git", "for-each-ref", ref]
        assert pushes.host.run(there, user="playbill-push").stdout == ""


def test_a_ref_that_is_neither_branch_nor_tag(pushes: Pushes) -> None:
    for ref in ("refs/replace/x", "refs/notes/x"):
        assert "nothing else is kept" in pushes.refuse("staging", f"HEAD:{ref}")


def test_options_of_a_push_are_none(pushes: Pushes) -> None:
    pushes.host.run(
        ["git", f"--git-dir={REPOSITORY}", "config", "receive.advertisePushOptions", "true"],
        user="playbill-push",
    )
    assert "does not support push options" in pushes.refuse("-o", "x=y", "staging", "main:x")


def test_what_the_client_sets_counts_for_nothing(pushes: Pushes) -> None:
    """Where sshd takes it, git would write to a file that it names, or run what it says."""
    trace = f"{REPOSITORY}/description"
    before = pushes.host.checksum(trace)
    sent = {
        "GIT_TRACE": trace,
        "GIT_TRACE_PACKET": trace,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.alternateRefsCommand",
        "GIT_CONFIG_VALUE_0": f"touch {HOME}/push/incoming.git/ran",
        "GIT_EXEC_PATH": "/tmp",
        "PATH": "/tmp",
    }
    words = [f"-oSetEnv={' '.join(f'{n}={shlex.quote(v)}' for n, v in sent.items())}"]
    pushes.example.git("config", "core.sshCommand", shlex.join([*pushes.ssh[:-1], *words]))
    pushes.commit(**{"README.md": "yet another"})
    pushes.push()
    assert pushes.host.checksum(trace) == before
    pushes.example.git("config", "core.sshCommand", shlex.join(pushes.ssh[:-1]))
    left = pushes.host.shell(f"find {HOME}/push -name ran")
    assert left == ""


def hang(ssh: list[str], asked: str, said: bytes) -> tuple[float, str]:
    """Begin a push, and say no more; how many seconds it was listened to, and what was answered."""
    started = time.monotonic()
    with subprocess.Popen(
        [*ssh, asked], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as client:
        assert client.stdin
        assert client.stderr
        client.stdin.write(said)
        client.stdin.flush()
        answer = client.stderr.read().decode()
        client.wait(120)
    return time.monotonic() - started, answer


def line(text: bytes) -> bytes:
    """A line of git's protocol."""
    return f"{len(text) + 4:04x}".encode() + text


@pytest.mark.parametrize("part", ["nothing", "half a pack"])
def test_a_client_that_hangs_is_ended(pushes: Pushes, part: str) -> None:
    old, new = pushes.branch(), "1" * 40
    begun = line(f"{old} {new} refs/heads/main\0report-status".encode()) + b"0000PACK\0\0\0\2\0\0"
    seconds, answer = hang(
        pushes.ssh, "git-receive-pack 'playbill.git'", begun if part != "nothing" else b""
    )
    assert seconds > TIMEOUT - 1
    assert "which is push_timeout" in answer
    left = pushes.host.run(["pgrep", "-u", "playbill-push", "git"], check=False).stdout
    assert left == ""


def test_a_push_that_is_well_still_serves(pushes: Pushes) -> None:
    before = release_of(pushes.host)
    pushes.commit(**{"README.md": "all is well"})
    pushes.push()
    assert release_of(pushes.host) == before + 1
    pushes.example.git("tag", "--annotate", "--message", "Here", "all-is/wéll-1.0")
    assert "deploys nothing" in pushes.push("staging", "all-is/wéll-1.0")
