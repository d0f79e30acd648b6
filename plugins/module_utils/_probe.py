# PRIVATE to the collection: telling what kind of repository is at an address, without its program.
from __future__ import annotations

import base64
import os
import re
import shlex
from dataclasses import dataclass

from ansible_collections.greenroom.django.plugins.module_utils._command import run
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import Sandbox

PROBE_TIMEOUT = 20.0  # seconds for each request

_SSH = re.compile(r"ssh://(?P<who>[^/:]+)(:(?P<port>\d+))?(?P<path>/.*)")
_SCP = re.compile(r"(?P<who>[^/:]+@[^/:]+):(?P<port>)?(?P<path>.*)")


@dataclass(frozen=True)
class RepositoryProbe:
    """By what a repository of one kind is known."""

    #: what a repository has in its folder
    folders: tuple[str, ...]
    #: what follows the address when a web server is asked, and the kind of its answer
    query: str
    content_type: str
    #: what to run over ssh, with the path or with what follows its first slash; what to tell it
    commands: tuple[str, ...]
    words: str
    #: how its answer begins
    answer: str

    def is_at(self, address: str, user: str | Sandbox, login: str = "") -> bool:
        """Whether such a repository is at an address.

        ``user`` is who asks over ssh, and ``login`` a name and password for https, with a colon
        between. What cannot be known counts as no.
        """
        if address.startswith(("/", "file://")):
            path = address[len("file://") :] if address.startswith("file:") else address
            return any(os.path.exists(os.path.join(path, name)) for name in self.folders)
        if address.startswith("http"):
            return self._answers_http(address, login)
        return self._answers_ssh(address, user)

    def _answers_http(self, address: str, login: str) -> bool:
        # Here, since every deploy reads this file, and hardly any asks.
        import http.client
        import urllib.request

        try:
            asked = urllib.request.Request(address.rstrip("/") + self.query)
            if login and address.startswith("https://"):
                coded = base64.b64encode(login.encode()).decode()
                asked.add_unredirected_header("Authorization", f"Basic {coded}")
            with urllib.request.urlopen(asked, timeout=PROBE_TIMEOUT) as answer:
                kind = str(answer.headers.get("Content-Type"))
        except (OSError, ValueError, http.client.HTTPException):
            return False
        return kind.startswith(self.content_type)

    def _answers_ssh(self, address: str, user: str | Sandbox) -> bool:
        found = _SSH.fullmatch(address) or _SCP.fullmatch(address)
        if not found:
            return False
        where = ["-p", found["port"]] if found["port"] else []
        if isinstance(user, Sandbox):
            where += ["-F", os.path.join(user.home, ".ssh", "config")]
        path = found["path"]
        for command in self.commands:
            there = command.format(path=shlex.quote(path), relative=shlex.quote(path[1:]))
            try:
                said = run(
                    ["ssh", *where, "--", found["who"], there],
                    user=user,
                    stdin=self.words,
                    timeout=PROBE_TIMEOUT,
                )
            except GreenroomError:
                return False
            if re.match(self.answer, said.stdout):
                return True
        return False
