"""Requests of visitors who attack a site, and a project that answers with what reached it."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from host import Answer, Host
from project import SITE, Project

#: a rule of the user's own, as each web server has it; the app would answer "secret"
RULES = {
    "nginx": "location /internal/ { return 403; }",
    "apache_proxy": '<Location "/internal/">\nRequire all denied\n</Location>',
    "apache": '<Location "/internal/">\nRequire all denied\n</Location>',
}

URLS = """
import time

from django.http import HttpResponse, JsonResponse
from django.urls import path, re_path


def tell(request):
    request.body  # as most of what is asked with POST would read it
    return JsonResponse({
        "meta": {
            name: value for name, value in request.META.items()
            if isinstance(value, str) and (name.startswith("HTTP_") or name in (
                "HTTPS", "PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_USER", "SCRIPT_NAME",
                "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme",
            ))
        },
        "address": request.build_absolute_uri(),
    })


def echo(request, rest):
    return HttpResponse(rest)


def wait(request):
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("waited")


urlpatterns = [
    path("", tell),
    path("tell/", tell),
    path("wait/", wait),
    re_path("^internal/", lambda request: HttpResponse("secret")),
    re_path("^echo/(.*)$", echo),
]
"""
#: all of them are safe to use, since no visitor can say what they read
SETTINGS = """
USE_X_FORWARDED_HOST = USE_X_FORWARDED_PORT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
MIDDLEWARE.append("django.middleware.common.CommonMiddleware")  # says how long an answer is
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "/media/"
"""

#: what a visitor could say in the place of a proxy; a header of their own, and one with no value
SPOOFED = [
    ("X-Forwarded-Host", "evil.test"),
    ("x-forwarded-HOST", "evil2.test"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-For", "6.6.6.6"),
    ("x-FORWARDED-for", "6.6.6.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Protocol", "ssl"),
    ("X-Forwarded-Scheme", "https"),
    ("X-Forwarded-Server", "evil.test"),
    ("X-Forwarded-Prefix", "/internal"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Forwarded-Path", "/internal/"),
    ("X-Forwarded-User", "root"),
    ("X-Forwarded", "for=6.6.6.6"),
    ("X-Scheme", "https"),
    ("X-Url-Scheme", "https"),
    ("Front-End-Https", "on"),
    ("Forwarded", "for=6.6.6.6;host=evil.test;proto=https"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Client-IP", "6.6.6.6"),
    ("Client-IP", "6.6.6.6"),
    ("X-Cluster-Client-IP", "6.6.6.6"),
    ("True-Client-IP", "6.6.6.6"),
    ("CF-Connecting-IP", "6.6.6.6"),
    ("Fastly-Client-IP", "6.6.6.6"),
    ("X-Original-URL", "/internal/"),
    ("X-Original-Host", "evil.test"),
    ("X-Rewrite-URL", "/internal/"),
    ("X-Script-Name", "/internal"),
    ("Script-Name", "/internal"),
    ("SCRIPT_NAME", "/tell"),
    ("Script_Name", "/tell"),
    ("PATH_INFO", "/internal/"),
    ("Path-Info", "/internal/"),
    ("Remote-User", "root"),
    ("REMOTE_USER", "root"),
    ("X-Remote-User", "root"),
    ("Proxy", "http://evil.test/"),
    ("X_Forwarded_Host", "evil.test"),
    ("X_Forwarded-For", "6.6.6.6"),
    ("X-Forwarded_Proto", "https"),
    ("X_Real_IP", "6.6.6.6"),
]

#: ways to write /internal/x that a visitor may try; the first one is the plain one
SPELLINGS = [
    "/internal/x",
    "//internal/x",
    "///internal//x",
    "/internal//x",
    "/internal%2Fx",
    "/internal%2fx",
    "/%69nternal/x",
    "/%2Finternal/x",
    "/%2finternal%2fx",
    "/internal/%2e%2e/x",
    "/internal/..",
    "/internal/../x",
    "/internal/%2E%2e/",
    "/internal/..%2Fx",
    "/internal%2F..%2Fx",
    "/internal%2F%2e%2e%2Fx",
    "/internal/a/..%2f../x",
    "/x/../internal/x",
    "/x/%2e%2e/internal/x",
    "/x%2F..%2Finternal%2Fx",
    "/./internal/x",
    "/%2e/internal/x",
    "/internal/./x",
    "/internal/..;/x",
    "/internal/;/../x",
    "/;/../internal/x",
    "/internal/..?x",
    "/internal/..#x",
    "/x?/../internal/x",
    "/internal/%00",
    "/inter\tnal/x",
    "/internal\\x",
    "/internal%5Cx",
    "/internal%252Fx",
    "/%2569nternal/x",
    "http://localhost/internal/x",
    "http://localhost//internal/x",
    "http://localhost/internal/../x",
    "http://localhost/internal%2Fx",
    "internal/x",
]


def ask(
    address: str,
    target: str,
    *headers: tuple[str, str],
    host: str | None = SITE,
    port: int = 80,
    version: str = "1.1",
    method: str = "GET",
) -> Answer:
    """Ask with exactly these bytes. The status is 0 where the connection is closed, and no more."""
    named = [] if host is None else [("Host", host)]
    lines = [f"{name}: {value}" for name, value in [*named, *headers]]
    if not any(name == "Connection" for name, _ in headers):
        lines.append("Connection: close")
    request = "\r\n".join([f"{method} {target} HTTP/{version}", *lines, "", ""])
    got = b""
    with socket.create_connection((address, port), timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        try:
            while data := connection.recv(65536):
                got += data
                head, end, body = got.partition(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                if end and length and len(body) >= int(length[1]):
                    break
        except ConnectionResetError:
            pass
    head, _, body = got.partition(b"\r\n\r\n")
    if not head:
        return Answer(0, {}, b"")
    first, *fields = head.decode("latin-1").split("\r\n")
    pairs = (field.partition(":") for field in fields)
    found = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(int(first.split()[1]), found, body)


def told(answer: Answer) -> dict[str, Any]:
    """What the app says that it was told."""
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.text)
    found["meta"].pop("HTTP_CONNECTION", None)
    return found


@dataclass
class Site:
    """The project on a host, and the web server in front of it."""

    project: Project
    web_server: str

    @property
    def host(self) -> Host:
        """Where it is."""
        return self.project.host

    def ask(self, target: str, *headers: tuple[str, str], **more: Any) -> Answer:
        """Ask its web server."""
        return ask(self.host.address, target, *headers, **more)


def commit(project: Project, text: str = "one") -> None:
    """Commit the project that tells, with a text among its static files."""
    files = {"config/urls.py": URLS, "notes/static/notes/plain.txt": text}
    project.commit(files, settings=SETTINGS)


def in_its_circle(server: str) -> Any:
    """A parameter: nginx is in the core, and the others in make test-all."""
    return pytest.param(server, marks=[] if server == "nginx" else [pytest.mark.extended])


#: opens connections and keeps them, each with the beginning of a request, until it is killed
SLOW = """
import resource, socket, sys, time
address, count, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
begin = {
    "header": b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\nX-A: ",
    "body": b"POST / HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 900000\\r\\n\\r\\n"
        + b"x" * 150000,
}[kind]
kept = []
while True:
    for one in kept[:]:
        try: gone = one.recv(1000) is not None
        except BlockingIOError: gone = False
        except OSError: gone = True
        if gone: one.close(); kept.remove(one)
    for _ in range(count - len(kept)):
        one = socket.socket()
        one.settimeout(1)
        try: one.connect((address, 80)); one.sendall(begin)
        except OSError: one.close(); break
        one.setblocking(False)
        kept.append(one)
    print(len(kept), flush=True)
    time.sleep(0.2)
"""
SLOW_ONES = 1_600  # the two workers of nginx had 1,536 on Debian


@contextmanager
def slow_visitor(attacker: Host, address: str, kind: str) -> Iterator[None]:
    """Have one address take as many connections as it gets, for as long as the block lasts."""
    attacker.run(["install", "/dev/stdin", "/root/slow.py"], stdin=SLOW)
    words = ["/usr/bin/python3", "/root/slow.py", address, str(SLOW_ONES), kind]
    attacker.run(["systemd-run", "--quiet", "--unit=slow", *words])
    time.sleep(3)
    try:
        yield
        assert attacker.shell("systemctl is-active slow").strip() == "active"
    finally:
        attacker.run(["systemctl", "stop", "slow"])
        attacker.run(["systemctl", "reset-failed", "slow"], check=False)


#: asks many times at once, and prints how each was answered; 0 where the connection was closed
CROWD = """
import concurrent.futures, http.client, sys
def ask(_):
    site = http.client.HTTPConnection(sys.argv[1], timeout=20)
    try:
        site.request("GET", "/wait/?seconds=0.5", headers={"Host": "localhost"})
        return site.getresponse().status
    except (OSError, http.client.HTTPException): return 0
with concurrent.futures.ThreadPoolExecutor(12) as pool: print(*pool.map(ask, range(12)))
"""
