# PRIVATE to the collection: asking a site one question, over a unix socket or through the web
# server.
from __future__ import annotations

import http.client
import socket
import time
from dataclasses import dataclass


@dataclass
class Answer:
    """What came back. ``status`` is None when nothing did, and ``error`` says why."""

    status: int | None
    reason: str = ""
    location: str | None = None
    error: str | None = None
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.status is None:
            return f"no answer ({self.error})"
        to = f" to {self.location}" if self.location else ""
        return f"{self.status} {self.reason}{to}"


class _UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(
    path: str, host: str, *, unix_socket: str | None = None, port: int = 80, timeout: float = 10.0
) -> Answer:
    """GET ``path`` as a browser that wants ``host`` would; redirects are answers, not followed.

    Over ``unix_socket`` it says that the visitor came by https, as a web server with TLS does.
    ``timeout`` is in seconds. Never raises: what went wrong is in the answer.
    """
    connection = (
        _UnixConnection(unix_socket, timeout)
        if unix_socket
        else http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    )
    headers = {"Host": host, "User-Agent": "Greenroom", "Connection": "close"}
    if unix_socket:
        headers["X-Forwarded-Proto"] = "https"
        headers["X-Forwarded-For"] = "127.0.0.1"
    started = time.monotonic()
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        response.read()
        answer = Answer(response.status, response.reason, response.getheader("Location"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        answer = Answer(None, error=str(error) or type(error).__name__)
    finally:
        connection.close()
    answer.seconds = time.monotonic() - started
    return answer
