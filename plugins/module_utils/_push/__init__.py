# PRIVATE to the collection: the registry of source controls that take pushes. Adding one is a file
# here and a line below: see docs/adding-a-backend.md.
from __future__ import annotations

import re
from typing import Any, Protocol

from ansible_collections.greenroom.django.plugins.module_utils._push import git, hg


class Kind(Protocol):
    """What a push of one kind is taken by."""

    #: what the names of repositories end with
    SUFFIX: str
    #: the command of a client that pushes; its first group is the app
    ASKS: re.Pattern[str]

    def command(self, mine: dict[str, Any]) -> list[str]:
        """The command that takes a push, with this process's environment."""

    #: takes or refuses what was pushed, with the words of the hook; runs in that command
    hook: Any


KINDS: dict[str, Kind] = {
    "git": git,
    "hg": hg,
}
