# PRIVATE to the collection: what the controller does in a clone of its own of a git repository.
from __future__ import annotations

import subprocess
import tempfile

from ansible_collections.greenroom.django.plugins.module_utils._command import tail
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.plugin_utils._merged import (
    ATTEMPTS,
    Merged,
    always_late,
    conflict,
    failure,
    refusal,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._program import must, run

_REMOTE = "refs/remotes/origin/"


def merge(repository: str, branch: str, into: str, push: bool = True) -> Merged:
    """Merge ``branch`` into ``into`` in a fresh clone, and push the result unless told not to.

    Raises GreenroomError where that cannot be done; then nothing was pushed.
    """
    with tempfile.TemporaryDirectory(prefix="greenroom-merge-") as folder:
        _clone(repository, folder)
        for _ in range(ATTEMPTS):
            before = _tip(folder, into, "app_branch")
            merged = _merge_here(folder, branch, into)
            if not merged.changed or not push:
                return merged
            pushed = _git(folder, "push", "--quiet", "origin", f"HEAD:refs/heads/{into}")
            if pushed.returncode == 0:
                return merged
            _must(folder, "fetch", "--quiet", "--prune", "--no-tags", "origin")
            if _tip(folder, into, "app_branch") == before:  # nobody was faster: it is not let in
                raise refusal(branch, into, tail(pushed.stderr))
    raise always_late(branch, into)


def check_out(repository: str, revision: str, folder: str) -> None:
    """Put the tree of a revision into a folder that is empty.

    Raises GreenroomError where that cannot be done.
    """
    _clone(repository, folder)
    _must(folder, "checkout", "--quiet", "--detach", revision)


def answers(repository: str) -> bool:
    """Whether there is a git repository at an address."""
    return _git("/", "ls-remote", "--quiet", "--", repository, "HEAD").returncode == 0


def _clone(repository: str, folder: str) -> None:
    """Make a clone without the content of old files, which nobody needs here."""
    clone = ["clone", "--quiet", "--no-checkout", "--no-tags", "--filter=blob:none"]
    _must(folder, *clone, "--origin=origin", "--", repository, ".")


def _merge_here(folder: str, branch: str, into: str) -> Merged:
    """Merge in the clone, from the state of its last fetch."""
    theirs, ours = _tip(folder, branch, "merge"), _tip(folder, into, "app_branch")
    if _git(folder, "merge-base", "--is-ancestor", theirs, ours).returncode == 0:
        return Merged(ours, False, [])
    new = _must(folder, "log", "--max-count=20", "--format=%h %s", f"{ours}..{theirs}")
    _must(folder, "checkout", "--quiet", "--force", "--detach", ours)
    message = f"Merge branch '{branch}' into {into}"
    done = _git(folder, "merge", "--quiet", "--no-ff", "-m", message, theirs)
    conflicts = _must(folder, "diff", "--name-only", "--diff-filter=U", "-z").split("\0")[:-1]
    if conflicts:
        raise conflict(branch, into, conflicts)
    if done.returncode != 0:
        raise failure(branch, into, tail(done.stdout + done.stderr))
    return Merged(_must(folder, "rev-parse", "HEAD").strip(), True, new.splitlines())


def _tip(folder: str, branch: str, variable: str) -> str:
    """The commit that a branch of the repository is at. Raises GreenroomError if there is none."""
    listed = _must(folder, "for-each-ref", "--format=%(objectname) %(refname)", _REMOTE)
    tips = {name[len(_REMOTE) :]: tip for tip, name in map(str.split, listed.splitlines())}
    tips.pop("HEAD", None)
    if branch not in tips:
        raise GreenroomError(
            f"{variable} is {branch!r}, and the repository has no branch of that name; was it "
            f"pushed? Its branches are: {', '.join(sorted(tips)[:20]) or 'none'}."
        )
    return tips[branch]


def _must(folder: str, *arguments: str) -> str:
    """What git printed. Raises GreenroomError, in git's own words, where it failed."""
    return must(_git(folder, *arguments), f"git {arguments[0]}")


def _git(folder: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Nobody is there to answer a question; large files kept elsewhere are not needed.
    variables = {"GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    return run(["git", *arguments], folder, variables)
