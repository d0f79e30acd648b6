"""Asking for pages of a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _pages
from ansible_collections.greenroom.django.plugins.module_utils._pages import fault, visitor

ANSWERS: dict[str, tuple[int, dict[str, str], str]] = {
    "/": (200, {"Content-Type": "text/html"}, "<h1>Tonight: “Hamlet”</h1>"),
    "/a.css": (200, {"Content-Type": "text/css", "Cache-Control": "public, max-age=60"}, "a {}"),
    "/login/?next=/": (301, {"Location": "https://www.example.com/login/"}, ""),
    "/broken": (500, {}, "Server Error"),
}


class Server(BaseHTTPRequestHandler):
    """Answers in one name only, and once with an error first."""

    stumbles = 0

    def do_GET(self) -> None:
        status, headers, text = ANSWERS.get(self.path, (404, {}, ""))
        if self.headers["Host"] != "www.example.com":
            status, headers, text = 421, {}, ""
        if Server.stumbles:
            Server.stumbles -= 1
            status = 503
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of the server."""
    monkeypatch.setattr(_pages, "PAUSE", 0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    # It looks that often whether it is to end.
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ({"path": "/"}, ""),
        ({"path": "/", "status": "200", "contains": "“Hamlet”"}, ""),
        ({"path": "/", "contains": "Macbeth"}, "/ should have 'Macbeth' in it, and has not."),
        (
            {"path": "/a.css", "headers": {"content-type": "text/css", "Cache-Control": "max-age"}},
            "",
        ),
        (
            {"path": "/a.css", "headers": {"Cache-Control": "immutable"}},
            "/a.css should have the header Cache-Control with 'immutable' in it, and has "
            "'public, max-age=60'.",
        ),
        (
            {"path": "/", "headers": {"Cache-Control": "max-age"}},
            "/ should have the header Cache-Control with 'max-age' in it, and has none.",
        ),
        (
            {"path": "/login/?next=/", "status": 301, "headers": {"location": "https://www"}},
            "",
        ),
        (
            {"path": "/login/?next=/"},
            "/login/?next=/ should answer 200, and what came was 301 Moved Permanently to "
            "https://www.example.com/login/.",
        ),
        (
            {"path": "/broken"},
            "/broken should answer 200, and what came was 500 Internal Server Error.",
        ),
    ],
)
def test_a_page(port: int, page: dict[str, Any], found: str) -> None:
    assert fault(page, visitor("127.0.0.1", port, "www.example.com")) == found


def test_an_address_of_its_own(port: int) -> None:
    """It is asked for in the name that it has."""
    url = f"http://127.0.0.1:{port}/"
    assert fault({"url": url}, visitor("nowhere.invalid", 80, "www.example.com")) == (
        f"{url} should answer 200, and what came was 421 Misdirected Request."
    )


@pytest.mark.parametrize("times", [_pages.TRIES - 1, _pages.TRIES])
def test_one_that_stumbles(port: int, times: int) -> None:
    Server.stumbles = times
    found = fault({"path": "/"}, visitor("127.0.0.1", port, "www.example.com"))
    assert bool(found) == (times == _pages.TRIES)
    assert Server.stumbles == 0


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pages, "PAUSE", 0)
    assert fault({"path": "/x"}, visitor("127.0.0.1", 1, "www.example.com")) == (
        "/x should answer 200, and what came was no answer ([Errno 111] Connection refused)."
    )
