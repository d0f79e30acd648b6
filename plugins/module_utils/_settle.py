# PRIVATE to the collection: what a run that did not come to its end left of the database.
from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    close,
    switch_off,
)
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    TIMEOUT,
    first_failure,
    run_migrations,
)
from ansible_collections.greenroom.django.plugins.module_utils._service import Service


def settle(app: App, journal: Journal, service: Service) -> str:
    """Undo what a rollback or a restore that did not come to its end did, and open the site.

    Where the release that it was for is on stage already, that is as good an end. Else the one that
    serves gets its database back. What a rehearsal carried here goes, too. A sentence for people,
    empty where there was nothing to do.
    Raises GreenroomError where that fails; the site then stays in maintenance.
    """
    for carried in app.carried():
        remove(carried)
    marker, serving = journal.unsettled, app.serving()
    if not marker:
        return ""
    said = ""
    if serving and serving != marker["to"]:
        if "swap" in marker:
            close(app, service, "a restore that did not come to its end is undone")
            swap_back(app, serving, marker["swap"])
            said = "The databases are those from before."
        elif "before" in marker:
            said = apply_again(app, serving, marker["code"], marker["before"])
        if "swap" in marker or marker.get("closed"):
            try:
                service.start(serving)
            except GreenroomError as error:  # no reason to refuse the next deploy, which may help
                said = f"{said} {error}".strip()
    journal.unsettled = None
    journal.write()
    switch_off(app)
    return said


def apply_again(app: App, serving: int, code: int, before: Mapping[str, Sequence[str]]) -> str:
    """Apply what a rollback reversed; which, in a sentence. Raises GreenroomError.

    ``code`` is the release whose code reversed them, ``before`` what was applied, by database.
    """
    again: list[str] = []
    databases = list(before)
    for number in dict.fromkeys([serving, code]):
        found = run_migrations(app, number, "look", databases, TIMEOUT)
        if all(set(before[alias]) <= set(found[alias]["applied"]) for alias in databases):
            break
        done = run_migrations(app, number, "apply", databases, TIMEOUT)
        if first_failure(done):
            raise GreenroomError(
                f"Release {serving} serves, and its migrations could not be applied again: "
                f"{first_failure(done)}. The site stays in maintenance. The snapshot that was "
                "taken before the rollback has the state that fits (backup.yml lists them)."
            )
        again += [name for database in done.values() for name in database["applied"]]
    return f"Applied again for release {serving}: {', '.join(again)}." if again else ""


def swap_back(app: App, serving: int, swap: Mapping[str, Mapping[str, str]]) -> None:
    """Have each database that was replaced take its place again, and remove the fresh one.

    ``swap`` has, by database, the names of the one that was made (``fresh``) and of the one that
    was kept (``before``), whether they have changed places or not. Raises GreenroomError.
    """
    # Here, since a host compiles all that a module imports, and hardly any run has this to do.
    from ansible_collections.greenroom.django.plugins.module_utils._backup import databases_in_use

    for alias, database in databases_in_use(app, serving, list(swap)).items():
        fresh, before = swap[alias]["fresh"], swap[alias]["before"]
        database.drop(fresh)  # it is not called that any more where they have changed places
        if before in database.replaced():
            database.swap(before, fresh)
            database.drop(fresh)
