# PRIVATE to the collection: what is done with a SQLite file, in a process of the app's own user.
#
# This file is not imported on the host: its text is given to a Python that runs as that user. The
# app decides what its files are and where links in its folders lead, so root touches none of them.
# Snapshots are root's: they come in by standard input, and go out by standard output.
#
# Request (argv[1], JSON): do, which names a function below, and its arguments.
from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
from typing import Any
from urllib.parse import quote

STEP = 2000  # pages that are copied at a time, 8 MiB as a rule; between two steps others can write
RESTARTS = 3  # each write in between begins the copy anew; then the rest of them have to wait
COPY = ".greenroom-snapshot-"  # how the names of passing copies begin
WAIT = 30  # seconds for somebody else's lock


def connect(path: str, how: str = "mode=rw") -> sqlite3.Connection:
    """Open a file that is there; none is made."""
    return sqlite3.connect(
        f"file:{quote(path)}?{how}", uri=True, timeout=WAIT, isolation_level=None
    )


def size(path: str) -> int:
    """How many bytes a copy may have."""
    wal = f"{path}-wal"
    return os.path.getsize(path) + (os.path.getsize(wal) if os.path.exists(wal) else 0)


def migrations(path: str) -> list[str]:
    """The names of the migrations that were applied."""
    with contextlib.closing(connect(path)) as database:
        if not database.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'django_migrations'"
        ).fetchall():
            return []
        rows = database.execute("SELECT app, name FROM django_migrations ORDER BY id")
        return [f"{app}.{name}" for app, name in rows]


def dump(path: str) -> None:
    """Write a copy to standard output, as the file was at one moment, however many write to it."""
    folder = os.path.dirname(path)
    for name in os.listdir(folder):
        if name.startswith(COPY):  # of a run that died
            os.unlink(os.path.join(folder, name))
    descriptor, beside = tempfile.mkstemp(dir=folder, prefix=COPY)
    with os.fdopen(descriptor, "rb") as copy:
        try:
            target = connect(beside)
        finally:
            os.unlink(beside)  # so that no end of this process leaves it behind
        # A journal would be looked for under its name; and who crashes begins anew.
        target.execute("PRAGMA journal_mode=OFF")
        target.execute("PRAGMA synchronous=OFF")
        with contextlib.closing(connect(path)) as source:
            copy_pages(source, target)
        target.close()
        shutil.copyfileobj(copy, sys.stdout.buffer, 2**20)
    sys.stdout.buffer.flush()


def copy_pages(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Copy in steps, so that writers wait for one of them; all of it where that leads nowhere."""
    left = sys.maxsize
    restarts = 0

    def look(_status: int, remaining: int, _total: int) -> None:
        nonlocal left, restarts
        restarts += remaining > left
        left = remaining
        if restarts == RESTARTS and not source.in_transaction:
            source.execute("BEGIN")  # from here on others can read, and not write
            source.execute("SELECT * FROM sqlite_master LIMIT 1").fetchall()

    source.backup(target, pages=STEP, progress=look, sleep=0.05)


def check(folder: str) -> None:
    """Refuse the database that comes by standard input, where it is damaged."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=COPY) as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy, 2**20)
        copy.flush()
        refuse_damage(copy.name)


def refuse_damage(path: str) -> None:
    """Have SQLite look at every page. What nobody writes to needs neither lock nor journal."""
    with contextlib.closing(connect(path, "mode=ro&immutable=1")) as database:
        found = [row[0] for row in database.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        sys.exit("It is damaged: " + "; ".join(found))


def restore(path: str, fresh: str) -> None:
    """Make the file ``fresh``, beside ``path``, of what comes by standard input, and check it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)  # of a run that died
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, os.stat(path).st_mode & 0o777 if os.path.exists(path) else 0o640)
            shutil.copyfileobj(sys.stdin.buffer, file, 2**20)
            file.flush()
            os.fsync(descriptor)
        refuse_damage(fresh)
    except BaseException:
        os.unlink(fresh)
        raise


def swap(path: str, fresh: str, before: str) -> None:
    """Have ``fresh`` take the place of ``path``, which is kept as ``before``.

    Another process that has the file open would go on with what is kept, so there may be none that
    is in the middle of something. What was in a write-ahead log goes into the file first: a log
    belongs to the name, and would be taken for that of the new file.
    """
    mode = ""
    try:
        with contextlib.closing(connect(path)) as database:
            mode = database.execute("PRAGMA journal_mode").fetchone()[0]
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            if database.execute("PRAGMA journal_mode=DELETE").fetchone()[0] != "delete":
                raise sqlite3.OperationalError("database is locked")
            database.execute("BEGIN EXCLUSIVE")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{path}-journal")  # an empty one, which some keep for the next time
            exchange(path, fresh, before)
            database.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        # What is damaged or gone cannot be locked, and is the best of reasons to replace it.
        if type(error) is not sqlite3.DatabaseError and os.path.exists(path):
            raise
        exchange(path, fresh, before)
    if mode == "wal":
        with contextlib.closing(connect(before)) as kept:
            kept.execute("PRAGMA journal_mode=WAL")


def exchange(path: str, fresh: str, before: str) -> None:
    """Rename, with no moment in which there is no file, or half of one."""
    for suffix in ("-journal", "-wal", "-shm"):  # there is none where all is well
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + suffix, before + suffix)
    with contextlib.suppress(FileNotFoundError):
        os.link(path, before)
    os.rename(fresh, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def kept(path: str) -> list[str]:
    """The files that swap() kept, oldest first."""
    folder, name = os.path.split(path)
    pattern = re.escape(name) + r"_before_\d{8}t\d{6}z"
    return sorted(
        os.path.join(folder, other) for other in os.listdir(folder) if re.fullmatch(pattern, other)
    )


def remove(path: str) -> None:
    """Remove a file that is kept, or was never used; fine where there is none."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + suffix)


def main() -> None:
    """Do what is asked for, and answer where there is something to say."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    actions = (size, migrations, dump, check, restore, swap, kept, remove)
    act: Any = {action.__name__: action for action in actions}[request.pop("do")]
    try:
        answer = act(**request)
    except (sqlite3.Error, OSError) as error:
        sys.exit(f"{error}")
    if answer is not None:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
