# PRIVATE to the collection: the marks of a trial, as a release's own Django writes and finds them.
#
# This file is not imported on the host: its text is given to the release's own Python, which runs
# it as the app's user, in the folder of manage.py.
#
# A row goes into a table of its own, so that no app that a project may lack is needed for it, and
# no table of the project's is touched. An upload goes to the default storage, wherever that is.
#
# Request (argv[1], JSON): steps (write, look or remove), databases, token, upload (its name in the
# storage, empty where there is none), tree, token.
# Answer: a line on standard output, the token of the request followed by JSON: rows, by database
# whether it is there, and where the database is; upload (name, there, url, where, untried).
# Python 3.8 and Django 3.2 are the oldest that it is written for.
from __future__ import annotations

import json
import os
import sys
from typing import Any

TABLE = "greenroom_trial"


class RefusalError(Exception):
    """What is wrong with the project, in a sentence that the user can act on."""


def main() -> None:
    """Do what is asked for, and answer."""
    request = json.loads(sys.argv[1])
    sys.path[0], sys.argv = os.getcwd(), ["manage.py", "shell"]  # as manage.py does
    try:
        answer = act(request)
    except RefusalError as refusal:
        answer = {"refusal": str(refusal)}
    print(f"\n{request['token']}{json.dumps(answer)}")


def act(request: dict[str, Any]) -> dict[str, Any]:
    """Do one step, with the rows of all databases first."""
    import django  # type: ignore[import-not-found]

    django.setup()
    from django.db import connections  # type: ignore[import-not-found]

    [step] = request["steps"]
    rows, upload = {"write": (write, save), "look": (look, read), "remove": (remove, delete)}[step]
    files = [kind["engine"] for kind in request["kinds"].values() if kind["is_file"]]
    answer: dict[str, Any] = {"rows": {}}
    for alias in request["databases"]:
        if alias not in connections:
            raise RefusalError(
                f"app_databases names {alias!r}; the settings have "
                f"{', '.join(sorted(connections))}."
            )
        there = rows(connections[alias], request["mark"])
        answer["rows"][alias] = {"there": there, "where": place_of(connections[alias], files)}
    answer["upload"] = upload(request)
    return answer


def place_of(connection: Any, files: list[str]) -> str:
    """Where a database is, in words, without a password."""
    settings = connection.settings_dict
    name, host = str(settings.get("NAME") or ""), str(settings.get("HOST") or "")
    if connection.vendor in files:
        return os.path.realpath(name) if "memory" not in name else name
    return f"{name} on {host}" if host else name


def write(connection: Any, mark: str) -> bool:
    """Write a row, into a table that is made for it."""
    with connection.cursor() as cursor:
        if TABLE not in connection.introspection.table_names(cursor):
            cursor.execute(f"CREATE TABLE {TABLE} (mark varchar(64))")
        cursor.execute(f"INSERT INTO {TABLE} (mark) VALUES (%s)", [mark])
    return True


def look(connection: Any, mark: str) -> bool:
    """Whether the row is there."""
    with connection.cursor() as cursor:
        if TABLE not in connection.introspection.table_names(cursor):
            return False
        cursor.execute(f"SELECT count(*) FROM {TABLE} WHERE mark = %s", [mark])
        return bool(cursor.fetchone()[0])


def remove(connection: Any, _mark: str) -> bool:
    """Remove the table, with what a trial before that was cut off left in it."""
    with connection.cursor() as cursor:
        if TABLE in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE {TABLE}")
    return False


def save(request: dict[str, Any]) -> dict[str, Any]:
    """Save an upload, as a form would; its name in the storage."""
    from django.conf import settings  # type: ignore[import-not-found]
    from django.core.files.base import ContentFile  # type: ignore[import-not-found]
    from django.core.files.storage import default_storage  # type: ignore[import-not-found]

    where = folder_of(default_storage)
    if where and not settings.MEDIA_ROOT:
        return {"name": "", "untried": "the settings have no MEDIA_ROOT"}
    try:
        name = default_storage.save(
            f"greenroom-trial-{request['mark']}.txt", ContentFile(request["mark"].encode())
        )
    except Exception as error:
        raise RefusalError(
            f"The upload could not be saved: {type(error).__name__}: {error}"
            + inside(where, request["tree"])
        ) from error
    return {"name": name, **found(name, default_storage)}


def read(request: dict[str, Any]) -> dict[str, Any]:
    """Look for the upload, and read all of it."""
    from django.core.files.storage import default_storage

    name = request["upload"]
    if not name:
        return {"name": ""}
    try:
        with default_storage.open(name) as file:
            there = file.read() == request["mark"].encode()
    except Exception:  # each storage has errors of its own
        there = False
    return {"name": name, **found(name, default_storage), "there": there}


def delete(request: dict[str, Any]) -> dict[str, Any]:
    """Remove the upload."""
    from django.core.files.storage import default_storage

    if request["upload"]:
        default_storage.delete(request["upload"])
    return {"name": request["upload"]}


def found(name: str, storage: Any) -> dict[str, Any]:
    """What is to be known of an upload besides: where it is, and at which address."""
    try:
        url = str(storage.url(name))
    except Exception:  # not every storage has addresses
        url = ""
    return {"there": True, "where": folder_of(storage) or storage.__class__.__name__, "url": url}


def folder_of(storage: Any) -> str:
    """The folder of a storage that is one, by its real path; else nothing."""
    location = getattr(storage, "location", "")
    is_folder = location and os.path.isabs(str(location)) and hasattr(storage, "base_location")
    return os.path.realpath(location) if is_folder else ""


def inside(folder: str, tree: str) -> str:
    """What to do about a folder in the release's tree; empty where it is not in there."""
    tree = os.path.realpath(tree)
    if not folder or os.path.commonpath([folder, tree]) != tree:
        return ""
    path = os.path.relpath(folder, tree)
    return (
        f". MEDIA_ROOT is {path} inside the release's tree, which the app may not write to, and "
        f"which the next release does not have. Make it outlive the release: app_shared_paths: "
        f"[..., {path}/]"
    )


if __name__ == "__main__":
    main()
