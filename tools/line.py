"""A line with a round trip of a known time: a TCP proxy that delays what it passes on.

Only the standard library is used, so that this runs before anything is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field


@dataclass
class Line:
    """Passes connections to a port of this machine on, for as long as the `with` block lasts.

    A chunk arrives `delay` seconds after it was sent, whatever is on its way before it; so a
    round trip takes twice that, and bandwidth is not limited.
    """

    address: str
    target_port: int
    delay: float
    #: where it listens, on 127.0.0.1
    port: int = 0
    #: how often the near side has sent something after it was sent something: about the round
    #: trips, whatever the machine's load is
    turns: int = 0

    _answered: bool = False
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Line:
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._hang_up())
        self._loop.close()

    async def _hang_up(self) -> None:
        """End what is still open."""
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """One connection. Its first packets take a round trip as well."""
        await asyncio.sleep(2 * self.delay)
        far, there = await asyncio.open_connection(self.address, self.target_port)
        self.turns += 1  # that of the handshake
        await asyncio.gather(self._pass_on(near, there, True), self._pass_on(far, back, False))

    async def _pass_on(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, is_question: bool
    ) -> None:
        """One direction, until its end."""
        with contextlib.suppress(ConnectionError):
            while chunk := await source.read(65536):
                if is_question and self._answered:
                    self.turns += 1
                    self._answered = False
                self._loop.call_later(self.delay, self._arrive, to, chunk, is_question)
        self._loop.call_later(self.delay, to.close)

    def _arrive(self, to: asyncio.StreamWriter, chunk: bytes, is_question: bool) -> None:
        to.write(chunk)
        self._answered = not is_question or self._answered
