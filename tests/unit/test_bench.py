"""The table of `make bench`, and the line that it measures over."""

from __future__ import annotations

import socket
import threading
import time

from bench import table
from bench_ways import Way
from line import Line


def way(name: str, walls: list[float], cpus: list[float], *turns: int) -> Way:
    return Way(name, "site.test", lambda: None, walls=walls, cpus=cpus, turns=list(turns))


def test_each_way_stands_beside_that_by_hand_over_a_like_connection() -> None:
    measured = [
        way("in place", [2.0, 9.0, 1.0], [0.1, 0.1, 0.1]),
        way("Greenroom, open", [1.5, 1.5, 1.5], [1.0, 3.0, 2.0]),
        way("Greenroom", [3.0, 3.5, 3.1], [2.0, 2.0, 2.0]),
        way("in place, open", [1.0, 1.0, 1.0], [0.0, 0.0, 0.0], 7, 8, 7),
    ]
    assert table(measured).splitlines()[2:] == [
        "| in place | 2.00 9.00 1.00 | 2.00 | 1.00 | 0.10 | - |",
        "| Greenroom | 3.00 3.50 3.10 | 3.10 | 1.55 | 2.00 | - |",
        "| Greenroom, open | 1.50 1.50 1.50 | 1.50 | 1.50 | 2.00 | - |",
        "| in place, open | 1.00 1.00 1.00 | 1.00 | 1.00 | 0.00 | 7 |",
    ]


def test_a_line_delays_what_it_carries_and_loses_nothing() -> None:
    sent = bytes(range(256)) * 4096
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                while chunk := connection.recv(65536):
                    connection.sendall(chunk)

        threading.Thread(target=echo, daemon=True).start()
        with Line("127.0.0.1", server.getsockname()[1], 0.05) as line:
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", line.port)) as connection:
                threading.Thread(target=connection.sendall, args=[sent], daemon=True).start()
                received = b""
                while len(received) < len(sent):
                    received += connection.recv(65536)
                connection.sendall(b"more")
                assert connection.recv(4) == b"more"
            assert received == sent
            assert line.turns >= 2, "the handshake, and what was sent after an answer"
            assert time.monotonic() - started >= 0.3  # those two, and the first answer's
