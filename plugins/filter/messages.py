# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that turn results into what a person reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError


def age(seconds: float) -> str:
    """How long ago, in the largest unit that has two of it: ``45 s``, ``3 min``, ``26 h``."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def status_table(status: Mapping[str, Any], host: str, app: str) -> str:
    """What the module status found on one host, as a table."""
    serving = status["serving"]
    head = f"{app} on {host}: " + (
        f"release {serving} serves, {status['health']}" if serving else status["health"]
    )
    if status["database"]:
        head += f"; {status['database']}"
    if status["locked"]:
        head += f"; {status['locked']} is at work now"
    if status["pending"]:
        head += f"; {status['pending']}"
    rows = [("", "RELEASE", "REVISION", "AGE", "BY", "STATE", "SUBJECT")]
    for release in status["releases"]:
        on_stage = release["number"] == serving
        state = "serves" if on_stage else release["result"]
        if release["back"] and not on_stage:
            state += ", can be gone to"
        if release.get("tests"):
            state += f", tests {release['tests']['result']}"
        if release.get("gate"):
            state += f", gate {release['gate']}"
        rows.append(
            (
                "*" if on_stage else "",
                str(release["number"]),
                release["revision"][:10],
                age(release["age"]),
                release["by"],
                state,
                release["subject"][:50],
            )
        )
    if len(rows) == 1:
        return f"{head}\n  (no release yet)\n"
    return table(head, rows)


def out_of_sync(serving: Mapping[str, int], hosts: Sequence[str], out: Sequence[str] = ()) -> str:
    """What differs between the hosts of an environment, in a sentence each; empty where nothing.

    ``serving`` is what those serve that answered, ``hosts`` are all of them, and ``out`` are those
    that the balancer sends nobody to.
    """
    by_release: dict[int, list[str]] = {}
    for host, number in serving.items():
        by_release.setdefault(number, []).append(host)
    said = []
    if len(by_release) > 1:
        most = max(by_release, key=lambda number: (len(by_release[number]), number))
        for number, behind in by_release.items():
            if number != most:
                verb = "serves" if len(behind) == 1 else "serve"
                what = number or "no release"
                said.append(f"{', '.join(behind)} {verb} {what}, the others {most or 'none'}.")
    missing = [host for host in hosts if host not in serving]
    if missing:
        said.append(f"Of {', '.join(missing)} nothing is known.")
    if out:
        said.append(f"The balancer sends nobody to {', '.join(out)}.")
    return "\n".join(said)


def table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, below a line."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]
    return "\n".join([head, *(f"  {line}" for line in lines)]) + "\n"


def size(count: float) -> str:
    """So many bytes, in the largest unit that has one of it: ``640 KiB``, ``1.4 GiB``."""
    for unit, length in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= length:
            return f"{count / length:.{1 if count < 10 * length else 0}f} {unit}"
    return f"{count} B"


def snapshot_table(snapshots: Sequence[Mapping[str, Any]], host: str, app: str) -> str:
    """What the module snapshot found on one host, as a table."""
    head = f"snapshots of {app} on {host}:"
    if not snapshots:
        return f"{head}\n  (none yet)\n"
    rows = [("NAME", "AGE", "SIZE", "DATABASES", "BY", "REASON")]
    for snapshot in snapshots:
        rows.append(
            (
                snapshot["name"],
                age(snapshot["age"]),
                size(snapshot["size"]),
                ", ".join(snapshot["databases"]),
                snapshot["by"],
                snapshot["reason"],
            )
        )
    return table(head, rows)


def promotable(statuses: Sequence[Mapping[str, Any]], hosts: Sequence[str]) -> dict[str, Any]:
    """The release that serves on all hosts of staging, as the module status has it.

    Raises AnsibleFilterError where they are not of one mind, or something is not well.
    """
    found: list[str] = []
    serving: dict[str, Mapping[str, Any]] = {}
    for host, status in zip(hosts, statuses):
        if not status:
            found.append(f"{host} was not asked, as with --limit")
            continue
        if status["locked"]:
            found.append(f"{status['locked']} is at work on {host}")
        if status["health"] != "healthy":
            found.append(f"{host}: {status['health']}")
        if status["database"]:
            found.append(f"{host}: {status['database']}")
        serving[host] = next(
            (each for each in status["releases"] if each["number"] == status["serving"]), {}
        )
    if len({(each.get("number"), each.get("revision")) for each in serving.values()}) > 1:
        shown = (
            f"{h} {r.get('number', 0)} ({r.get('revision', '')[:10]})" for h, r in serving.items()
        )
        found.append(f"its hosts do not serve the same release: {', '.join(shown)}")
    if found:
        raise AnsibleFilterError(
            f"Staging is not fit to be put live; nothing was changed: {'; '.join(found)}."
        )
    return dict(serving[hosts[0]])


def restore_summary(result: Mapping[str, Any], name: str, rehearsed: bool = False) -> str:
    """How a restore ended, in a few sentences; in check mode, how it would."""
    if rehearsed:
        return f"Would put the snapshot {name} back: it is whole, and fits."
    lines = [f"The databases are those of the snapshot {name}."]
    for alias, migrations in result["migrated"].items():
        if migrations:
            lines.append(f"Applied to {alias} what it lacked: {', '.join(migrations)}.")
    for alias, kept in result["replaced"].items():
        lines.append(f"What {alias} was before is kept as {kept}.")
    lines.append("When nobody needs that any more: restore.yml -e drop_replaced=true")
    return "\n".join(lines)


def refresh_summary(
    snapshot: Mapping[str, Any], swapped: Mapping[str, Any], number: int, anonymised: bool
) -> str:
    """How a rehearsal ended, in a few sentences; in check mode, where nothing was swapped."""
    what = f"live's snapshot {snapshot['name']}, of {age(snapshot['age'])} ago"
    how = "made unrecognizable by your hook" if anonymised else "with its users' data as it is"
    if not swapped:
        return f"Would put {what}, into staging, {how}. It is whole, and fits."
    lines = [f"Release {number} of staging serves {what}, {how}."]
    applied = {alias: names for alias, names in swapped["migrated"].items() if names}
    for alias, names in applied.items():
        lines.append(f"Tried on live's data, in the database {alias}: {', '.join(names)}.")
    lines.append(
        f"Its migrations took {swapped['seconds']:.1f} seconds."
        if applied
        else "Live has all migrations of this release already, so none was tried."
    )
    return "\n".join(lines)


def verify_summary(
    after_deploy: Mapping[str, Any], after_rollback: Mapping[str, Any], rehearsed: bool = False
) -> str:
    """What outlived a trial, in a few sentences; in check mode, nothing was written."""
    if rehearsed:
        return "Would write a row and an upload, deploy, look for them, go back, and look again."
    new, old = after_deploy["release"], after_rollback["release"]
    lines = [f"Release {new} found all that release {old} had written, and so did release {old}:"]
    lines += [f"- {found}" for found in after_deploy["found"]]
    lines += [f"Not tried: {untried}." for untried in after_deploy["untried"]]
    return "\n".join(lines)


def deploy_summary(
    made: Mapping[str, Any], action: str, domain: str, rehearsed: bool = False
) -> str:
    """How a deploy or rollback ended, in a sentence; in check mode, how it would."""
    number, revision = made["number"], made.get("revision", "")[:10]
    known = [word for word in (revision, made.get("meant", "")) if revision and word]
    what = f"release {number}" + (f" ({', '.join(known)})" if known else "")
    if not made["needed"]:
        return f"Nothing to do: {what} serves already."
    commits = "".join(f"\n  {line}" for line in made.get("commits", []))
    if rehearsed:
        verb = "Would deploy" if action == "deploy" else f"Would go {made['direction']} to"
        return f"{verb} {what}.{commits}"
    if action == "deploy":
        return f"{what[0].upper()}{what[1:]} serves {domain}.{commits}"
    return f"Went {made['direction']} to {what}; it serves {domain}."


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {
            "out_of_sync": out_of_sync,
            "deploy_summary": deploy_summary,
            "promotable": promotable,
            "refresh_summary": refresh_summary,
            "restore_summary": restore_summary,
            "snapshot_table": snapshot_table,
            "status_table": status_table,
            "verify_summary": verify_summary,
        }
