"""Visitors of the example site who read and write while something happens to it.

Nothing is measured here but the truth: each request that failed, and each row that the site said it
had taken and that is not there afterwards. Only the standard library is used.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from host import Host

BOUNDARY = "----greenroom"


@dataclass
class Audience:
    """Reads the front page and announces shows, a few times a second, while its block lasts.

    with Audience(host) as audience: deploy()
    assert not audience.failures and not audience.missing()
    """

    host: Host
    #: seconds between two requests of each kind
    pause: float = 0.15

    reads: int = 0
    #: the titles that the site said it had taken
    written: list[str] = field(default_factory=list)
    #: what failed, and when, in seconds since the start
    failures: list[str] = field(default_factory=list)

    _excused: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _cookie: str = ""
    _token: str = ""
    _began: float = 0.0

    @property
    def requests(self) -> int:
        """How many were made, for which a healthy site has no excuse."""
        return self.reads + len(self.written) + len(self.failures)

    def __enter__(self) -> Audience:
        self._began = time.monotonic()
        self._open_the_form()
        for kind, request in (("read", self._read), ("write", self._write)):
            thread = threading.Thread(target=self._go_on, args=(kind, request), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(90)

    @contextlib.contextmanager
    def excuses(self, *kinds: str) -> Iterator[None]:
        """For so long, nobody expects an answer to a "read" or a "write": nor would a healthy site.

        As while the host is down; or, for writes, while its disk is full.
        """
        self._excused |= set(kinds)
        try:
            yield
        finally:
            time.sleep(self.pause)  # what was asked last is answered by now, or never
            self._excused -= set(kinds)

    def missing(self) -> list[str]:
        """What the site said that it had taken, and does not show."""
        page = self._ask("GET", "/").read().decode()
        return [title for title in self.written if title not in page]

    def _go_on(self, kind: str, request: Callable[[], str]) -> None:
        while not self._over.is_set():
            excused = kind in self._excused
            try:
                problem = request()
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
            if problem and not excused and kind not in self._excused:
                seconds = time.monotonic() - self._began
                self.failures.append(f"{kind} after {seconds:.1f} s: {problem}")
            self._over.wait(self.pause)

    def _read(self) -> str:
        answer = self._ask("GET", "/")
        if answer.status != 200 or b"playbill-release" not in answer.read():
            return f"{answer.status} {answer.reason}"
        self.reads += 1
        return ""

    def _write(self) -> str:
        if not self._token:
            self._open_the_form()
        title = f"Night {secrets.token_hex(6)}"
        fields = {
            "csrfmiddlewaretoken": self._token,
            "title": title,
            "description": "A play.",
            "date": "2099-01-07",
        }
        part = '--{}\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        body = "".join(part.format(BOUNDARY, *each) for each in fields.items())
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        headers = {"Cookie": self._cookie, "Content-Type": kind}
        answer = self._ask("POST", "/shows/new/", f"{body}--{BOUNDARY}--\r\n", headers)
        if answer.status != 302:
            self._token = ""
            return f"{answer.status} {answer.reason}"
        self.written.append(title)
        return ""

    def _open_the_form(self) -> None:
        answer = self._ask("GET", "/shows/new/")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', answer.read().decode())
        if found:
            self._cookie = answer.headers["set-cookie"].split(";")[0]
            self._token = found[1]

    def _ask(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """Ask, and hold on for longer than any part of the site does."""
        connection = http.client.HTTPConnection(self.host.address, 80, timeout=40)
        sent = {"Host": "localhost", "Connection": "close", **(headers or {})}
        connection.request(method, path, body.encode() or None, sent)
        return connection.getresponse()
