from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer, ask

Serve = Callable[..., str]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts a server that sends the bytes that it is given; the path of its socket.

    What it was asked is in ``asked`` of the fixture.
    """
    over = threading.Event()
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(answer: bytes | None, asked: list[bytes] | None = None) -> str:
        path = str(tmp_path / "s")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        servers.append(server)

        def answer_one() -> None:
            try:
                connection, _ = server.accept()
            except OSError:  # nobody asked
                return
            with connection:
                question = connection.recv(65536)
                if asked is not None:
                    asked.append(question)
                if answer is None:
                    over.wait(5)
                else:
                    connection.sendall(answer)

        threads.append(thread := threading.Thread(target=answer_one, daemon=True))
        thread.start()
        return path

    yield start
    over.set()
    for server, thread in zip(servers, threads):
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes the thread
        thread.join(5)
        server.close()


def answered(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def test_it_asks_as_a_visitor_that_came_by_https(serve: Serve) -> None:
    asked: list[bytes] = []
    path = serve(answered("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), asked)
    answer = ask("/health/?deep=1", "www.example.com", green_room=path)
    assert (answer.status, answer.reason, answer.location, answer.error) == (200, "OK", None, None)
    assert 0 < answer.seconds < 1
    first, *headers = asked[0].decode().rstrip().split("\r\n")
    assert first == "GET /health/?deep=1 HTTP/1.1"
    assert dict(line.split(": ", 1) for line in headers) == {
        "Host": "www.example.com",
        "User-Agent": "Greenroom",
        "Connection": "close",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "127.0.0.1",
        "Accept-Encoding": "identity",
    }


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "200 OK"),
        ("HTTP/1.0 500 Internal Server Error\n\n<h1>!</h1>", "500 Internal Server Error"),
        (
            "HTTP/1.1 301 Moved Permanently\nLocation: https://a.example/\nContent-Length: 0\n\n",
            "301 Moved Permanently to https://a.example/",
        ),
        ("", "no answer (Remote end closed connection without response)"),
        ("SSH-2.0-OpenSSH_9.2\n", "no answer (SSH-2.0-OpenSSH_9.2\r\n)"),
        (
            "HTTP/1.1 200 OK\nContent-Length: 9\n\nhalf",
            "no answer (IncompleteRead(4 bytes read, 5 more expected))",
        ),
    ],
)
def test_what_came_is_said(serve: Serve, sent: str, shown: str) -> None:
    answer = ask("/", "a.example", green_room=serve(answered(sent)))
    assert str(answer) == shown


def test_it_does_not_wait_for_ever(serve: Serve) -> None:
    answer = ask("/", "a.example", green_room=serve(None), timeout=0.2)
    assert (answer.status, str(answer)) == (None, "no answer (timed out)")
    assert 0.2 <= answer.seconds < 1.2


def test_nobody_is_there(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    assert str(ask("/", "a", green_room=path)) == (
        "no answer ([Errno 2] No such file or directory)"
    )
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    assert str(ask("/", "a", green_room=path)) == "no answer ([Errno 111] Connection refused)"


@pytest.mark.parametrize(("path", "host"), [("/a b", "a"), ("/\n", "a"), ("/ü", "a"), ("/", "ü☃")])
def test_what_cannot_be_asked_is_no_answer_either(serve: Serve, path: str, host: str) -> None:
    answer = ask(path, host, green_room=serve(b""), timeout=2)
    assert answer.status is None
    assert answer.error


def test_through_the_web_server_it_claims_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def answer_one() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(answered("HTTP/1.1 204 No Content\n\n"))

        thread = threading.Thread(target=answer_one)
        thread.start()
        answer = ask("/", "www.example.com", port=server.getsockname()[1])
        thread.join(5)
    assert answer == Answer(204, "No Content", {}, b"", None, answer.seconds)
    assert b"\r\nHost: www.example.com\r\n" in asked[0]
    assert b"X-Forwarded" not in asked[0]
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a socket away")
@pytest.mark.parametrize("how", ["link", "exchanged"])
def test_a_socket_of_somebody_elses_is_told_nothing(serve: Serve, tmp_path: Path, how: str) -> None:
    asked: list[bytes] = []
    path = serve(None, asked)
    if how == "link":
        os.rename(path, tmp_path / "theirs")
        os.symlink(tmp_path / "theirs", path)
    else:
        os.chown(path, 4711, 4711)  # as it was looked at, before it was another one
    answer = ask("/", "a.example", green_room=path)
    assert (answer.status, answer.error) == (None, f"{path} leads to somebody else's socket")
    assert asked in ([], [b""])
