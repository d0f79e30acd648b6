# PRIVATE to the collection: how git takes a push. Its hook decides on each branch and tag.
from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._push.common import (
    NOTHING,
    OURS,
    PLAIN,
    Place,
    as_root,
    deploy_it,
    is_plain,
    refuse,
    refuse_too_much,
    run,
    way_back,
)

SUFFIX = ".git"
# What a key may ask for.
ASKS = re.compile(r"git[ -]receive-pack '?[~/]*([^/']+?)(\.git)?/?'?")
# How git takes a push, whatever the repository's own configuration says: everything that comes is
# looked at, but for what harmless old programs wrote; and nothing is run but our hook.
GIT = {
    "core.hooksPath": f"{OURS}/hooks",
    "core.fsmonitor": "false",
    "receive.denyDeleteCurrent": "ignore",  # our hook has the word on that, and says why not
    "receive.advertisePushOptions": "false",
    "receive.fsckObjects": "true",
    "receive.fsck.zeroPaddedFilemode": "warn",
    "receive.fsck.missingSpaceBeforeDate": "warn",
    "receive.fsck.badTimezone": "warn",
}


def command(mine: dict[str, Any]) -> list[str]:
    """The command that takes the push."""
    place = Place(mine["app"], SUFFIX)
    with place.turn(mine["who"]) as other:
        if not other:  # during a deploy, its push alone moves the branch
            level(mine["app"], place.repository, mine["branch"])
    ours = {**GIT, "receive.maxInputSize": mine["most"]}
    words = [word for item in ours.items() for word in ("-c", "{}={}".format(*item))]
    return ["git", *words, "receive-pack", place.repository]


def level(app: str, repository: str, branch: str) -> None:
    """Set the branch to the current release, also after a rollback or a deploy from elsewhere.

    Where that was never pushed, there is no branch: whatever is pushed next is new.
    """
    serves = as_root("serving", app, stdout=subprocess.PIPE).stdout.strip()
    git = ["git", f"--git-dir={repository}"]
    known = bool(serves) and not run(*git, "cat-file", "-e", f"{serves}^{{commit}}").returncode
    name = f"refs/heads/{branch}"
    run(*git, "update-ref", *([name, serves] if known else ["-d", name]))


def hook(mine: dict[str, Any], ref: str, old: str, new: str) -> None:
    """Take or refuse one branch or tag of a push: git's hook `update`."""
    place = Place(mine["app"], SUFFIX)
    branch = mine["branch"]
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if not is_plain(ref):
        refuse(f"{ref!a} is no plain name.", PLAIN)
    if kind in ("heads", "tags") and new != NOTHING:
        whose = f"{new}^{{}}" if kind == "tags" else new
        if run("git", "cat-file", "-t", whose).stdout.strip() != "commit":
            refuse(f"{name} is to name a commit, and names something else.")
        refuse_too_much(["git", "ls-tree", "-r", "-z", "-l", new], mine["most"])
    if kind == "tags":
        bring(place, "" if new == NOTHING else new, ref)
        print(f"The tag {name} deploys nothing; the next deploy knows it. Push {branch} for that.")
        return
    if kind != "heads" or name != branch:
        shown = name if kind == "heads" else ref
        refuse(
            f"{branch} is what is deployed here, and nothing else is kept.",
            f"To deploy {shown}: git push REMOTE {shown}:{branch}",
        )
    if new == NOTHING:
        refuse(f"{branch} is the branch of the current release, and cannot be deleted.")
    if old != NOTHING and not run("git", "merge-base", "--is-ancestor", new, old).returncode:
        refuse(*way_back(new))
    with place.turn(mine["who"]) as other:
        if other:
            refuse(f"{other}. Push again when that has ended.")
        bring(place, new, ref)
        deploy_it(mine, new)


def bring(place: Place, new: str, ref: str) -> None:
    """Bring what was pushed to where a deploy takes it from; nothing new takes it away there.

    The deploy works as other users, who do not see what git has not taken yet.
    """
    seen = {name: text for name, text in os.environ.items() if name != "GIT_QUARANTINE_PATH"}
    if run(
        "git", "push", "--quiet", "--force", place.incoming, f"{new}:{ref}", env=seen
    ).returncode:
        refuse("It could not be made ready for a deploy.")
