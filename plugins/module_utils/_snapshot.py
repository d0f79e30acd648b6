# PRIVATE to the collection: snapshots of an app's databases, a folder each, that only root can see.
from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import CARRIED, App
from ansible_collections.greenroom.django.plugins.module_utils._database.base import Database
from ansible_collections.greenroom.django.plugins.module_utils._django import read_manifest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import (
    read_file,
    remove,
    write_json,
)

Snapshot = dict[str, Any]

_NAME = re.compile(rf"({CARRIED})?\d+-\d{{8}}T\d{{6}}Z\Z")
_UNFINISHED = ".partial"
_MARGIN = 64 * 2**20  # bytes that stay free, for what else the host writes meanwhile


class NoRoomError(GreenroomError):
    """There is too little free disk for a snapshot."""


def take(app: App, number: int, databases: dict[str, Database], reason: str, by: str) -> str:
    """Take a snapshot of ``databases`` as they are under release ``number``; its name.

    Each is read back before the snapshot gets its name. Raises GreenroomError, and leaves nothing,
    when there is no room, or anything else goes wrong. Whoever calls this holds the app's lock.
    """
    os.makedirs(app.backups, exist_ok=True)
    os.chmod(app.backups, 0o700)  # also where somebody made it by hand
    remove_unfinished(app)
    sizes = {alias: database.size() for alias, database in databases.items()}
    _check_room(app, databases, sizes)
    taken = int(time.time())
    while os.path.exists(_folder(app, number, taken)):
        taken += 1  # two in a second
    folder = _folder(app, number, taken)
    partial = folder + _UNFINISHED
    os.mkdir(partial, 0o700)
    try:
        about = {}
        for alias, database in databases.items():
            file = f"{alias}.{database.suffix}"
            path = os.path.join(partial, file)
            migrations = database.migrations()
            database.dump(path)
            database.verify(path)
            about[alias] = {
                "engine": database.engine,
                "file": file,
                "size": os.path.getsize(path),
                "sha256": _checksum(path),
                "migrations": migrations,
            }
        snapshot = {
            "release": number,
            "environment": environment_of(app, number),
            "taken": taken,
            "reason": reason,
            "by": by,
            "databases": about,
        }
        write_json(os.path.join(partial, "snapshot.json"), snapshot, mode=0o600)
        os.rename(partial, folder)
        _sync(app.backups)
    except BaseException:
        remove(partial)
        raise
    return os.path.basename(folder)


def environment_of(app: App, number: int) -> str:
    """The environment that release ``number`` was made for; empty where that is not known.

    The release is asked, since who takes a snapshot by the clock has no inventory.
    """
    try:
        return str(read_manifest(app, number).get("settings", {}).get("environment", ""))
    except GreenroomError:  # no reason to do without a snapshot
        return ""


def list_snapshots(app: App) -> list[Snapshot]:
    """All that are there, newest first: what snapshot.json says, and ``name`` and ``size``."""
    names = os.listdir(app.backups) if os.path.isdir(app.backups) else []
    found = []
    for name in names:
        if _NAME.match(name):
            try:
                found.append(_read(app, name))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # find() says so, to whom asks for it by name; and prune() leaves it alone
    return sorted(found, key=lambda snapshot: (snapshot["taken"], snapshot["name"]), reverse=True)


def summaries(app: App) -> list[Snapshot]:
    """What a person wants to know of all that are there, newest first."""
    now = time.time()
    return [
        {
            **{key: snapshot[key] for key in ("name", "release", "size", "reason", "by")},
            "age": int(now - snapshot["taken"]),
            "databases": list(snapshot["databases"]),
        }
        for snapshot in list_snapshots(app)
    ]


def find(app: App, name: str) -> Snapshot:
    """The snapshot called ``name``. Raises GreenroomError, and says which there are."""
    there = [snapshot["name"] for snapshot in list_snapshots(app)]
    if name not in there:
        damaged = _NAME.match(name) and os.path.isdir(os.path.join(app.backups, name))
        raise GreenroomError(
            (
                f"The snapshot {name} has no snapshot.json that can be read. "
                if damaged
                else f"There is no snapshot {name!r}. "
                if name
                else "Say which snapshot, with -e snapshot=NAME. "
            )
            + (f"There are, newest first: {', '.join(there)}." if there else "There is none yet.")
        )
    return _read(app, name)


def newest(app: App) -> str:
    """The name of the newest snapshot. Raises GreenroomError where there is none."""
    for snapshot in list_snapshots(app):
        return str(snapshot["name"])
    raise GreenroomError("There is no snapshot yet: backup.yml takes one.")


def refuse_of_another_environment(snapshot: Snapshot, environment: str) -> None:
    """What somebody tried out on staging is not to take the place of what visitors of live wrote.

    One from before snapshots knew their environment is taken as it comes.
    """
    if (snapshot.get("environment"), environment) == ("staging", "live"):
        raise GreenroomError(
            f"The snapshot {snapshot['name']} is one of staging, and this is live. Nothing was "
            "changed. Live's data may go to staging, with refresh_staging.yml, never the other way."
        )


def refuse_without_rsync() -> None:
    """What carries a snapshot is needed at both ends, and site.yml did not always install it."""
    if not shutil.which("rsync"):
        raise GreenroomError("rsync is not on this host. Run site.yml on it, which installs it.")


def path_of(app: App, snapshot: Snapshot, alias: str) -> str:
    """The file of one database in a snapshot."""
    return os.path.join(app.backups, snapshot["name"], f"{snapshot['databases'][alias]['file']}")


def check(app: App, snapshot: Snapshot) -> None:
    """Refuse a snapshot that is not what was written, to the last byte. Raises GreenroomError."""
    for alias, about in snapshot["databases"].items():
        path = path_of(app, snapshot, alias)
        try:
            whole = _checksum(path) == about["sha256"]
        except OSError as error:
            raise GreenroomError(f"{path} cannot be read: {error.strerror}.") from error
        if not whole:
            raise GreenroomError(
                f"{path} is damaged: it is not what was written when the snapshot was taken. "
                "Restore another one, or put a copy of this file back."
            )


def prune(app: App, keep: int, days: int, needed: set[str]) -> list[str]:
    """Remove what is beyond the newest ``keep``, or older than ``days`` days; the names.

    Neither the newest nor any of ``needed`` goes.
    """
    oldest = time.time() - days * 86400
    removed = []
    for place, snapshot in enumerate(list_snapshots(app)):
        is_wanted = place < keep and snapshot["taken"] >= oldest
        if place == 0 or is_wanted or snapshot["name"] in needed:
            continue
        folder = os.path.join(app.backups, snapshot["name"])
        os.rename(folder, folder + _UNFINISHED)  # half of it is none
        remove(folder + _UNFINISHED)
        removed.append(snapshot["name"])
    return removed


def remove_unfinished(app: App) -> None:
    """Remove what runs that died left."""
    for name in os.listdir(app.backups):
        if name.endswith(_UNFINISHED):
            remove(os.path.join(app.backups, name))


def _folder(app: App, number: int, taken: int) -> str:
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(taken))
    return os.path.join(app.backups, f"{number}-{moment}")


def _read(app: App, name: str) -> Snapshot:
    snapshot: Snapshot = json.loads(read_file(os.path.join(app.backups, name, "snapshot.json")))
    size = sum(int(about["size"]) for about in snapshot["databases"].values())
    return {**snapshot, "taken": int(snapshot["taken"]), "name": name, "size": size}


def _check_room(app: App, databases: dict[str, Database], sizes: dict[str, int]) -> None:
    """Refuse to begin where a file system would run full: a site that cannot write is down.

    A database that is a file is copied beside itself first, where that copy lives for a moment.
    """
    needs = [(app.backups, sum(sizes.values()))]
    for folder in {database.folder for database in databases.values() if database.folder}:
        needs.append((folder, max(sizes[a] for a, d in databases.items() if d.folder == folder)))
    refuse_without_room(app, "A snapshot", needs)


def refuse_without_room(app: App, what: str, needs: list[tuple[str, int]]) -> None:
    """Refuse ``what``, which needs so many bytes in these folders, where they are not free."""
    sums: dict[int, int] = {}
    paths: dict[int, str] = {}
    for path, size in needs:
        device = os.stat(path).st_dev
        paths.setdefault(device, path)
        sums[device] = sums.get(device, 0) + size
    for device, size in sums.items():
        room = os.statvfs(paths[device])
        free = room.f_bavail * room.f_frsize
        if free < size + _MARGIN:
            raise NoRoomError(
                f"{what} may need {_mib(size + _MARGIN)} MiB, and {paths[device]} has "
                f"{_mib(free)} MiB free. Make room there: older snapshots, say, of which "
                f"{app.backups} has {len(list_snapshots(app))}.",
            )


def _mib(size: int) -> int:
    return -(-size // 2**20)


def _checksum(path: str) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            found.update(block)
    return found.hexdigest()


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
