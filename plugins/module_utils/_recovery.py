# PRIVATE to the collection: the pending change of an app, from its first step to its end, and its
# recovery by the next run if its own was interrupted.
#
# A step records what it is about to change before it does. Whatever happens then, the journal says
# how far it may have come: if the target release is current, the rest is finished, else all is
# undone. Either way the current release alone runs and comes up at boot.
from __future__ import annotations

from dataclasses import replace

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backup import databases_in_use
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._journal import (
    BUILDING,
    FAILED,
    GOOD,
    Journal,
)
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    close,
    switch_off,
)
from ansible_collections.greenroom.django.plugins.module_utils._migrations import (
    TIMEOUT,
    first_failure,
    run_migrations,
    undo,
)
from ansible_collections.greenroom.django.plugins.module_utils._pending_change import (
    PendingChange,
    Restore,
    Reversal,
)
from ansible_collections.greenroom.django.plugins.module_utils._service import Service


def begin_change(
    app: App,
    target: int,
    maintenance: bool = False,
    reversal: Reversal | None = None,
    restore: Restore | None = None,
) -> PendingChange:
    """Record a change before it is made, beside what the same run recorded before; all of that.

    ``target`` is the release that becomes current, or the current one (or 0) if that stays.
    """
    journal = Journal.read(app.journal)
    before = journal.pending or PendingChange()
    change = PendingChange(
        target=before.target if target in (0, app.serving()) else target,
        maintenance=maintenance or before.maintenance,
        reversal=reversal or before.reversal,
        restore=restore or before.restore,
    )
    if change != before:
        journal.pending = change
        journal.write()
    return change


def finish_change(app: App, journal: Journal) -> None:
    """Record that the pending change has ended, and turn off the maintenance mode that it needed.

    The databases come first: what visitors write from then on must not be undone.
    """
    if journal.pending and journal.pending.maintenance:
        journal.pending = PendingChange(maintenance=True)
        journal.write()
        switch_off(app)
    journal.pending = None
    journal.write()


def retire_others(service: Service, current: int | None, target: int = 0) -> list[int]:
    """Have every release but the current one drain, stop, and not come up at boot; those that ran.

    One that is enabled and does not run may be about to start, shortly after a boot; and so may a
    ``target`` whose processes die.
    """
    running = [number for number in service.running() if number != current]
    for number in sorted({*service.enabled(), *running, target} - {current, 0}):
        service.disable(number)
        service.stop(number)
    return running


def recover(app: App, journal: Journal, service: Service, check_mode: bool = False) -> list[str]:
    """Finish or undo what interrupted runs left, in the journal too; a sentence for each thing.

    Nobody else is at work, since the lock is ours. Raises GreenroomError if something cannot be
    undone; it stays pending then.
    """
    current = app.serving()
    said = []
    for entry in journal.entries:
        if entry["result"] == BUILDING:
            entry["result"] = GOOD if entry["number"] == current else FAILED
            entry.setdefault("note", "the run that made it died")
            said.append(f"release {entry['number']}: its run died; it counts as {entry['result']}")
    if check_mode:
        return [*said, *([f"{describe(journal.pending)} is pending"] if journal.pending else [])]
    pending = journal.pending
    stopped, database = end_change(app, journal, service)
    if pending:
        end = "finished" if current and current == pending.target else "undone"
        said.append(f"{describe(pending)}: its run was interrupted; it is {end}")
    said += [f"release {number} ran beside the current one; it drains" for number in stopped]
    said += [sentence for sentence in (database, undo_last(app, journal)) if sentence]
    if said:
        journal.write()
    return said


def describe(change: PendingChange) -> str:
    """What a pending change is, in words."""
    if change.restore:
        return "a restore of the databases"
    if change.reversal:
        return f"a rollback to release {change.target} that reverses migrations"
    return f"a handover to release {change.target}" if change.target else "maintenance mode"


def pending_in_words(app: App, journal: Journal, service: Service) -> str:
    """What is pending, and which other releases run or come up at boot; empty if nothing is."""
    if journal.pending is None:
        return ""
    current = app.serving()
    others = sorted({*service.running(), *service.enabled()} - {current})
    beside = f"; beside it: release {', '.join(map(str, others))}" if others else ""
    return f"{describe(journal.pending)} is pending{beside}"


def undo_last(app: App, journal: Journal) -> str:
    """Reverse what the release that failed last applied, if its own run could not.

    Only that of the last one: what failed before it may have been applied for good since.
    """
    last = journal.entries[-1] if journal.entries else {}
    return undo(app, last) if last.get("result") == FAILED and not last.get("pruned") else ""


def end_change(app: App, journal: Journal, service: Service) -> tuple[list[int], str]:
    """Finish the pending change if its target is current, else undo it.

    The other releases that ran and now stop, and what became of the databases, in a sentence; both
    empty if nothing was to do. A snapshot that a rehearsal copied here goes, too.
    Raises GreenroomError where that fails; a site in maintenance mode then stays in it.
    """
    for carried in app.carried():
        remove(carried)
    change, current = journal.pending, app.serving()
    if change is None:
        return [], ""
    stopped = retire_others(service, current, change.target)
    said = ""
    if current and current != change.target:
        said = undo_databases(app, journal, service, current)
    if current:
        try:
            if not service.is_active(current):
                service.start(current)
            service.enable(current)
        except GreenroomError as error:  # no reason to refuse the next deploy, which may help
            said = f"{said} {error}".strip()
    finish_change(app, journal)
    return stopped, said


def undo_databases(app: App, journal: Journal, service: Service, current: int) -> str:
    """Give the current release its databases back; what was done, in a sentence."""
    change = journal.pending
    if change and change.restore:
        journal.pending = replace(change, maintenance=True)
        journal.write()
        close(app, service, "a restore that was interrupted is undone")
        swap_back(app, current, change.restore)
        return "The databases are those from before."
    if change and change.reversal:
        return apply_again(app, current, change.reversal)
    return ""


def apply_again(app: App, current: int, reversal: Reversal) -> str:
    """Apply what a rollback reversed; which, in a sentence. Raises GreenroomError."""
    again: list[str] = []
    databases = list(reversal.applied)
    for number in dict.fromkeys([current, reversal.release]):
        found = run_migrations(app, number, "plan", databases, TIMEOUT)
        if all(set(reversal.applied[alias]) <= set(found[alias]["applied"]) for alias in databases):
            break
        done = run_migrations(app, number, "apply", databases, TIMEOUT)
        if first_failure(done):
            raise GreenroomError(
                f"Release {current} serves, and its migrations could not be applied again: "
                f"{first_failure(done)}. The site stays in maintenance. The snapshot that was "
                "taken before the rollback has the state that fits (backup.yml lists them)."
            )
        again += [name for database in done.values() for name in database["applied"]]
    return f"Applied again for release {current}: {', '.join(again)}." if again else ""


def swap_back(app: App, current: int, restore: Restore) -> None:
    """Swap each database that was replaced in again, and remove the restored one.

    They may have been swapped already or not. Raises GreenroomError.
    """
    for alias, database in databases_in_use(app, current, list(restore.restored)).items():
        restored, replaced = restore.restored[alias], restore.replaced[alias]
        database.drop(restored)  # it is not called that any more if it was swapped in
        if replaced in database.replaced():
            database.swap(replaced, restored)
            database.drop(restored)
