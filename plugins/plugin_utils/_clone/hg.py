# PRIVATE to the collection: what the controller does in a clone of its own of a repository of
# Mercurial.
from __future__ import annotations

import json
import subprocess
import tempfile

from ansible_collections.greenroom.django.plugins.module_utils._command import tail
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._source_control.hg_revisions import (
    CHANGESET,
    quoted,
    tips,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._merged import (
    ATTEMPTS,
    Merged,
    always_late,
    conflict,
    failure,
    refusal,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._program import must, run


def merge(repository: str, branch: str, into: str, push: bool = True) -> Merged:
    """Merge ``branch`` into ``into`` in a fresh clone, and push the result unless told not to.

    Each is a named branch or a bookmark. Raises GreenroomError where that cannot be done; then
    nothing was pushed.
    """
    refused_at, said = "", ""
    for attempt in range(ATTEMPTS + 1):
        # A clone each, since the merge of the attempt before would be a head of its own.
        with tempfile.TemporaryDirectory(prefix="greenroom-merge-") as folder:
            _clone(repository, folder)
            before = _tip(folder, into, "app_branch")
            if before == refused_at:  # nobody was faster: it is not let in
                raise refusal(branch, into, said)
            if attempt == ATTEMPTS:
                break
            merged = _merge_here(folder, branch, into)
            if not merged.changed or not push:
                return merged
            bookmark = ["--bookmark", into] if into in _bookmarks(folder) else []
            # Mercurial moves a bookmark also where somebody else has moved it meanwhile.
            if bookmark and not _is_at(repository, into, before):
                continue
            pushed = _hg(folder, "push", "--rev", merged.revision, *bookmark)
            if pushed.returncode == 0 or (bookmark and _is_at(repository, into, merged.revision)):
                return merged
            refused_at, said = before, tail(pushed.stdout + pushed.stderr)
    raise always_late(branch, into)


def check_out(repository: str, revision: str, folder: str) -> None:
    """Put the tree of a revision into a folder that is empty.

    Raises GreenroomError where that cannot be done.
    """
    _clone(repository, folder)
    _must(folder, "update", "--clean", "--rev", revision)


def answers(repository: str) -> bool:
    """Whether there is a Mercurial repository at an address."""
    return _hg("/", "identify", "--id", repository).returncode == 0


def _clone(repository: str, folder: str) -> None:
    _must(folder, "clone", "--noupdate", repository, folder)


def _merge_here(folder: str, branch: str, into: str) -> Merged:
    """Merge in a clone that is fresh."""
    theirs, ours = _tip(folder, branch, "merge"), _tip(folder, into, "app_branch")
    if _log(folder, f"{theirs} and ancestors({ours})", "x"):
        return Merged(ours, False, [])
    template = "{node|short} {desc|firstline}\n"
    new = _log(folder, f"sort(only({theirs}, {ours}), -rev)", template, "--limit", "20")
    revision = theirs
    # A bookmark whose work was all done on top of it only moves on: there is nothing to merge.
    if not _log(folder, f"{ours} and ancestors({theirs}) and branch({theirs})", "x"):
        revision = _commit_merge(folder, branch, into, theirs, ours)
    if into in _bookmarks(folder):
        _must(folder, "bookmark", "--force", "--rev", revision, into)
    return Merged(revision, True, new.splitlines())


def _commit_merge(folder: str, branch: str, into: str, theirs: str, ours: str) -> str:
    """The changeset of a merge, which is on the branch of ``ours``."""
    _must(folder, "update", "--clean", "--rev", ours)
    # No program of the user's is asked: what is no conflict to Mercurial itself is none.
    done = _hg(folder, "merge", "--tool", "internal:merge", "--rev", theirs)
    listed = _hg(folder, "resolve", "--list", "--template", "{mergestatus} {path}\\0").stdout
    conflicts = sorted(line[2:] for line in listed.split("\0") if line.startswith("U "))
    if conflicts:
        raise conflict(branch, into, conflicts)
    if done.returncode != 0:
        raise failure(branch, into, tail(done.stdout + done.stderr))
    _must(folder, "commit", "--message", f"Merge branch '{branch}' into {into}")
    return _log(folder, ".", "{node}")


def _tip(folder: str, name: str, variable: str) -> str:
    """The changeset that a bookmark or branch is at. Raises GreenroomError if there is none."""
    literal = quoted(f"literal:{name}")
    sets = f"present(bookmark({literal})) or (head() and present(branch({literal})))"
    found = [json.loads(line) for line in _log(folder, sets, CHANGESET).splitlines()]
    for changeset in [c for c in found if name in c["bookmarks"]] or tips(name, found):
        return str(changeset["node"])
    branches = _must(folder, "branches", "--template", "{branch}\n").splitlines()
    raise GreenroomError(
        f"{variable} is {name!r}, and the repository has no branch or bookmark of that name; was "
        f"it pushed? Its branches are: {', '.join(sorted(branches)[:20]) or 'none'}; its bookmarks "
        f"are: {', '.join(_bookmarks(folder)[:20]) or 'none'}."
    )


def _bookmarks(folder: str) -> list[str]:
    return sorted(_must(folder, "bookmarks", "--template", "{bookmark}\n").splitlines())


def _is_at(repository: str, name: str, revision: str) -> bool:
    """Whether a name means a changeset in the repository at an address."""
    found = _hg("/", "--debug", "identify", "--id", "--rev", name, repository)
    return found.stdout.split()[-1:] == [revision]


def _log(folder: str, revisions: str, template: str, *more: str) -> str:
    return _must(folder, "log", "--rev", revisions, "--template", template, *more)


def _must(folder: str, *arguments: str) -> str:
    """What Mercurial printed. Raises GreenroomError, in its own words, where it failed."""
    return must(_hg(folder, *arguments), f"hg {arguments[0]}")


def _hg(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Nobody is there to answer a question, and no setting of the user's changes what it prints.
    variables = {"HGPLAIN": "1", "HGENCODING": "utf-8"}
    # Who pushes a list of subrepositories would decide where this machine goes with your keys.
    alone = ["--config", "subrepos.allowed=false"]
    return run(["hg", "--noninteractive", *alone, *arguments], folder, variables)
