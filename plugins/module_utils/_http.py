# PRIVATE to the collection: asking a site one question, over a unix socket or through a web server.
from __future__ import annotations

import http.client
import os
import socket
import stat
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")  # of a socket's other end: process, user, group

LIMIT = 10 * 2**20  # bytes of a page that are looked at


class Address(NamedTuple):
    """Where something listens that has no unix socket."""

    host: str
    port: int


@dataclass
class Answer:
    """What came back. ``status`` is None when nothing did, and ``error`` says why.

    ``headers`` are by their names in lower case, and ``seconds`` is how long it took.
    """

    status: int | None
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str | None = None
    seconds: float = 0.0

    @property
    def location(self) -> str | None:
        """Where a redirect leads."""
        return self.headers.get("location")

    @property
    def text(self) -> str:
        """What came, as text."""
        return self.body.decode("utf-8", "replace")

    def __str__(self) -> str:
        if self.status is None:
            return f"no answer ({self.error})"
        to = f" to {self.location}" if self.location else ""
        return f"{self.status} {self.reason}{to}"


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = connect_to(self._path, self.timeout)


def connect_to(path: str, timeout: float | None) -> socket.socket:
    """Connect to a unix socket in a folder that its owner can write. Raises OSError.

    The owner could have put a link to somebody else's there. So whoever listens must be whose the
    socket is, before a word is said.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
        size = _CREDENTIALS.size
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        there = os.lstat(path)
        if not stat.S_ISSOCK(there.st_mode) or _CREDENTIALS.unpack(found)[1] != there.st_uid:
            raise OSError(f"{path} leads to somebody else's socket")
    except BaseException:
        connection.close()
        raise
    return connection


def ask(
    path: str,
    host: str,
    *,
    green_room: str | Address = "",
    scheme: str = "",
    address: str = "127.0.0.1",
    port: int | None = 80,
    timeout: float = 10.0,
) -> Answer:
    """GET ``path`` as a browser that wants ``host`` would; redirects are answers, not followed.

    In a ``green_room``, a unix socket's path or an address, it says that the visitor came by
    ``scheme``, https unless told otherwise, as a web server does. Else it goes to ``port`` of
    ``address``, by http unless told otherwise. ``timeout`` is in seconds. Never raises: what went
    wrong is in the answer.
    """
    headers = {"Host": host, "User-Agent": "Greenroom", "Connection": "close"}
    connection: http.client.HTTPConnection
    if green_room:
        if isinstance(green_room, str):
            connection = UnixConnection(green_room, timeout)
        else:
            connection = http.client.HTTPConnection(*green_room, timeout=timeout)
        headers["X-Forwarded-Proto"] = scheme or "https"
        headers["X-Forwarded-For"] = "127.0.0.1"
    elif scheme == "https":
        connection = http.client.HTTPSConnection(address, port, timeout=timeout)
    else:
        connection = http.client.HTTPConnection(address, port, timeout=timeout)
    started = time.monotonic()
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read(LIMIT)
        if len(body) < LIMIT and response.length:
            raise http.client.IncompleteRead(body, response.length)
        fields = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, response.reason, fields, body)
    except (OSError, ValueError, http.client.HTTPException) as error:
        answer = Answer(None, error=str(error) or type(error).__name__)
    finally:
        connection.close()
    answer.seconds = time.monotonic() - started
    return answer
