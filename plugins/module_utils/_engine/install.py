# PRIVATE to the collection: installs the engine on a host. The action plugin sends this file as an
# argument of python3 -c, with the engine's files and a step's request behind it on standard input.
from __future__ import annotations

import compileall
import contextlib
import fcntl
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

KEPT = 2  # engines that stay: the newest, for runs of an older or newer controller


def read(size: int) -> bytes:
    """So many bytes of standard input, and none that come after them."""
    chunks = []
    while size:
        chunk = os.read(0, size)
        if not chunk:
            sys.exit("the engine did not arrive whole")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def unpack(archive: bytes, folder: str) -> None:
    """Write the engine's files into a new folder, readable to everybody."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
        for member in packed:
            path = os.path.join(folder, member.name)
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            source = packed.extractfile(member)
            assert source is not None
            with open(path, "xb") as file:
                file.write(source.read())


def keep(archive: bytes, folder: str) -> None:
    """Install the engine in its folder, whole or not at all, unless another run has done so."""
    root = os.path.dirname(folder)
    os.makedirs(root, mode=0o755, exist_ok=True)
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time; until this process has become the step
    if os.path.exists(os.path.join(folder, "engine.py")):
        return
    beside = tempfile.mkdtemp(prefix=".new-", dir=root)
    unpack(archive, beside)
    compileall.compile_dir(beside, quiet=2, stripdir=beside, prependdir=folder)
    os.chmod(beside, 0o755)
    os.sync()  # or a power cut could leave the folder with empty files in it
    if os.path.isdir(folder):
        os.rename(folder, f"{beside}-old")  # what is left of one
    os.rename(beside, folder)
    prune(root)


def prune(root: str) -> None:
    """Remove all engines but the newest, the current one, and those that a process works with."""
    current = os.path.realpath(os.path.join(root, "current"))
    engines = [entry for entry in os.scandir(root) if re.fullmatch("[0-9a-f]{16}", entry.name)]
    engines.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    unused = [entry for entry in engines[KEPT:] if entry.path != current]
    unused += [entry for entry in os.scandir(root) if entry.name.startswith(".new-")]  # of the dead
    for entry in unused:
        with contextlib.suppress(OSError):  # it is in use; this process soon becomes the step
            fcntl.flock(os.open(entry.path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(entry.path)


def main() -> None:
    """Arguments: folder, digest, size, keep or once, and the step. Becomes the step."""
    folder, digest, size, how, step = sys.argv[1:]
    archive = read(int(size))
    if hashlib.sha256(archive).hexdigest() != digest:
        sys.exit("the engine arrived damaged")
    os.umask(0o022)
    program = [sys.executable, "-I", "-X", "utf8"]
    if how == "keep" and os.geteuid() == 0:
        keep(archive, folder)
        os.execv(sys.executable, [*program, os.path.join(folder, "engine.py"), "step", step])
    with tempfile.TemporaryDirectory(prefix="greenroom-") as once:
        unpack(archive, once)
        program.append(os.path.join(once, "engine.py"))
        status = subprocess.run([*program, "step", step], check=False).returncode
    sys.exit(status)


if __name__ == "__main__":
    main()
