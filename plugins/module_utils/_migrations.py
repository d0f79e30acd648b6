# PRIVATE to the collection: the migrations of a release, and which of them a way back has to undo.
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import (
    read_manifest,
    start_django,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._journal import Entry, Journal

#: what is said of one migration: name, operations (what, reversible, livable, drops), reversible,
#: needed_by, sql, lint. See _migrations_process.py.
Described = Mapping[str, Any]
Databases = dict[str, Any]


def run_migrations(
    app: App,
    number: int,
    step: str,
    databases: Sequence[str],
    timeout: float,
    *,
    known: Sequence[str] | None = None,
    sql: bool = False,
    linter: str = "",
    reverse: Mapping[str, Sequence[str]] | None = None,
    target: str = "",
) -> Databases:
    """One Django start of release ``number`` that looks, applies, reverses or goes to a migration.

    What it found and did, by database; see _migrations_process.py. ``timeout`` is in seconds.
    Raises GreenroomError where Django does not start, and where the time is over. A migration that
    failed is an answer: ``failure``, beside what was done before it.
    """
    # Here, since a host compiles all that a module imports, and most runs meet no migration.
    from ansible_collections.greenroom.django.plugins.module_utils import _migrations_process

    request = {
        "steps": [step],
        "databases": list(databases),
        "known": None if known is None else list(known),
        "sql": sql,
        "linter": linter,
        "reverse": {alias: list(names) for alias, names in (reverse or {}).items()},
        "target": target,
    }
    manifest = read_manifest(app, number)
    answer = start_django(app, number, manifest, request, timeout, process=_migrations_process)
    found: Databases = answer["databases"]
    return found


def first_failure(databases: Databases) -> str:
    """The failure among what run_migrations() answered, or nothing."""
    return next((done["failure"] for done in databases.values() if done.get("failure")), "")


def names(described: Iterable[Described]) -> list[str]:
    """The names of migrations."""
    return [migration["name"] for migration in described]


def way_back_of(waiting: Mapping[str, Sequence[Described]]) -> str:
    """How a release that applies these can be gone back from: one of the words of the journal.

    ``at once``: the older code lives with the schema. ``reversal``: they are reversed.
    ``restore``: that is not possible, and only the snapshot has the state before.
    """
    every = [migration for described in waiting.values() for migration in described]
    if all(operation["livable"] for migration in every for operation in migration["operations"]):
        return "at once"
    return "reversal" if all(migration["reversible"] for migration in every) else "restore"


@dataclass
class Way:
    """What becomes of the migrations that an older release does not have.

    keep, reverse: {database: [migration, ...]}; ``reverse`` in the order in which they go.
    before_handover: whether the older release can serve only when they are gone.
    """

    keep: dict[str, list[str]] = field(default_factory=dict)
    reverse: dict[str, list[str]] = field(default_factory=dict)
    before_handover: bool = False

    @property
    def reverses(self) -> bool:
        """Whether anything is reversed."""
        return any(self.reverse.values())


def decide(
    ahead: Mapping[str, Sequence[Described]], choice: str, number: int, restore: str = ""
) -> Way:
    """Choose for each migration that release ``number`` does not have: stays, or is reversed.

    ``choice`` is auto, keep or reverse. ``ahead`` lists them by database, those first that have to
    be reversed first. Auto keeps all that the older code can live with, and reverses the others
    where nothing that somebody wrote goes with them. ``restore`` has the words that put the
    state before them back, where there is a snapshot of it.
    Raises GreenroomError with the exact words to go on where it must not choose.
    """
    way = Way()
    stops: list[str] = []
    for alias, described in ahead.items():
        if choice == "keep":
            unwanted: set[str] = set()
        elif choice == "reverse":
            unwanted = set(names(described))
        else:
            unwanted = with_dependents(
                described, [m["name"] for m in described if not is_livable(m)]
            )
        way.keep[alias] = [name for name in names(described) if name not in unwanted]
        way.reverse[alias] = [name for name in names(described) if name in unwanted]
        way.before_handover |= any(
            not is_livable(migration) for migration in described if migration["name"] in unwanted
        )
        for migration in described:
            if migration["name"] in unwanted:
                stops += objections(migration, alias, choice)
    if not stops:
        return way
    stuck = any("cannot be reversed" in stop for stop in stops)
    words = [] if stuck else ["-e migrations=reverse (drops it, after a snapshot)"]
    words.append("-e migrations=keep (the older code then serves a schema it was not written for)")
    if restore:
        words.append(restore)
    raise GreenroomError(
        f"Release {number} cannot live with migrations that were applied since"
        + (", and reversing them is not only undoing" if choice == "auto" else "")
        + ":\n"
        + "".join(f"- {stop}\n" for stop in stops)
        + f"Nothing was changed. To go on: {'; or '.join(words)}."
    )


def is_livable(migration: Described) -> bool:
    """Whether code from before a migration can work on with the schema after it."""
    return all(operation["livable"] for operation in migration["operations"])


def with_dependents(described: Sequence[Described], wanted: Sequence[str]) -> set[str]:
    """``wanted``, and all that have to be reversed before them."""
    return set(wanted).union(*(m["needed_by"] for m in described if m["name"] in wanted))


def objections(migration: Described, alias: str, choice: str) -> list[str]:
    """Why a migration is not reversed without an explicit word, a sentence each."""
    where = migration["name"] + ("" if alias == "default" else f" (database {alias})")
    if not migration["reversible"]:
        which = [o["what"] for o in migration["operations"] if not o["reversible"]]
        return [f"{where} cannot be reversed: {', '.join(which)}"]
    if choice == "reverse":
        return []
    found = []
    for operation in migration["operations"]:
        if operation["drops"] is None:
            found.append(f"{where}: {operation['what']}: what its reversal drops cannot be told")
            continue
        for dropped in operation["drops"]:
            what = f"table {dropped['table']}"
            if dropped["column"]:
                what = f"column {dropped['table']}.{dropped['column']}"
            found.append(
                f"{where}: its reversal drops the {what}, in which {dropped['rows']} rows hold data"
            )
    return found


# How long a run may take to put the database right again, in seconds.
TIMEOUT = 1800


def undo(app: App, entry: Entry, timeout: float = TIMEOUT) -> str:
    """Take back the migrations that a release applied which does not come on stage.

    ``entry`` is its entry in the journal, and is told what happened. A sentence for people; empty
    where there was nothing to take back.
    """
    record = entry.get("migrations")
    if not record or record.get("undone") or record.get("stuck"):
        return ""
    number, unwanted = entry["number"], record["waiting"]
    found = run_migrations(app, number, "plan", list(unwanted), timeout, known=[])
    mine = {
        alias: [m for m in found[alias]["ahead"] if m["name"] in unwanted[alias]] for alias in found
    }
    applied = {alias: names(described) for alias, described in mine.items()}
    if not any(applied.values()):
        record["undone"] = True
        return ""
    every = ", ".join(dict.fromkeys(name for each in applied.values() for name in each))
    stuck = [m["name"] for described in mine.values() for m in described if not m["reversible"]]
    words = (
        f"To go back to the state before: restore.yml -e snapshot={record['snapshot']}"
        if record.get("snapshot")
        else "There is no snapshot of the state before."
    )
    if stuck:
        record["stuck"] = True
        return f"The database keeps {every}: {', '.join(stuck)} cannot be reversed. {words}"
    done = run_migrations(app, number, "reverse", list(applied), timeout, reverse=applied)
    failure = first_failure(done)
    if failure:
        return f"The database keeps some of {every}: their reversal failed ({failure}). {words}"
    record["undone"] = True
    return f"The database is back in the state before: {every} was reversed."


def keeper(app: App, journal: Journal, serving: int) -> int:
    """The release on disk whose code has the most migrations: only it can reverse them all.

    It mostly is the one that serves, and a newer one after a rollback that kept its migrations.
    """
    best, most = serving, set(migrations_of(app, serving) or ())
    for entry in journal.on_disk():
        try:
            files = set(migrations_of(app, entry["number"]) or ())
        except GreenroomError:
            continue  # a release that was damaged by hand is of no use here
        if files > most:
            best, most = entry["number"], files
    return best


def migrations_of(app: App, number: int) -> list[str] | None:
    """The migrations whose files a release has; None where it was not asked yet."""
    found: list[str] | None = read_manifest(app, number).get("migrations")
    return found


def ahead_of(app: App, number: int) -> list[str]:
    """The migrations that were applied when a release was built, and whose files it has not."""
    return list(read_manifest(app, number).get("ahead") or ())
