# PRIVATE to the collection: how Mercurial takes a push. Its hook decides on all of it.
from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._push.common import (
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

SUFFIX = ""
# What a key may ask for. Mercurial asks whether it may serve, whatever the direction.
ASKS = re.compile(r"hg -R '?/*([^/']+)/?'? serve --stdio")


def command(mine: dict[str, Any]) -> list[str]:
    """The command that takes the push: it allows no other words, and so no hook by them."""
    os.environ.update({"HGRCPATH": f"{OURS}/push.rc", "HGPLAIN": "1"})
    return ["hg", "-R", Place(mine["app"], SUFFIX).repository, "serve", "--stdio"]


def hook(mine: dict[str, Any]) -> None:
    """Take or refuse a push, all of it: Mercurial's hook `pretxnclose`."""
    app, branch = mine["app"], mine["branch"]
    place = Place(app, SUFFIX)
    repository = place.repository
    os.environ["HGRCPATH"] = ""  # what is asked from here on has no hook of its own
    # Without that variable, Mercurial does not see what it has not taken yet.
    before = {name: text for name, text in os.environ.items() if name != "HG_PENDING"}
    for listing, template in (
        (["branches", "--closed"], "{branch}\\0"),
        (["bookmarks"], "{bookmark}\\0"),
        (["tags"], "{tag}\\0"),
    ):
        for name in run("hg", "-R", repository, *listing, "-T", template).stdout.split("\0"):
            if name and not is_plain(name):
                refuse(f"{name!a} is no plain name.", PLAIN)
    heads = heads_of(repository, branch)
    if heads == heads_of(repository, branch, before):
        print(f"It is kept. It deploys nothing: that is done by what comes to {branch}.")
        return
    if len(heads) != 1:
        refuse(f"{branch} would have {len(heads)} heads, and one can serve: merge them, and push.")
    serves = as_root("serving", app, stdout=subprocess.PIPE).stdout.strip()
    later = f"present({heads[0]}):: and present({serves or 'null'}) and not {heads[0]}"
    if run("hg", "-R", repository, "log", "-r", later, "-T", "x").stdout:
        refuse(*way_back(heads[0]))
    sizes = ["hg", "-R", repository, "files", "-r", heads[0], "-T", "{size}\\t\\0"]
    refuse_too_much(sizes, mine["most"])
    with place.turn(mine["who"]) as other:
        if other:
            refuse(f"{other}. Push again when that has ended.")
        # The deploy works as other users, who do not see it either.
        pull = ["pull", "--quiet", "--force", "-r", heads[0], repository]
        if run("hg", "-R", place.incoming, *pull).returncode:
            refuse("It could not be made ready for a deploy.")
        deploy_it(mine, heads[0])


def heads_of(repository: str, branch: str, env: dict[str, str] | None = None) -> list[str]:
    """Where a bookmark is, or else the open heads of a named branch."""
    name = f"'literal:{branch}'"
    for asked in (f"bookmark({name})", f"head() and branch({name}) and not closed()"):
        found = run(
            "hg", "-R", repository, "log", "-r", f"present({asked})", "-T", "{node}\n", env=env
        )
        if found.stdout:
            return found.stdout.split()
    return []
