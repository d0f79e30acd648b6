"""Visitors who want more than the site shows them, on each web server that an app can have.

What they send never speaks for a proxy, no spelling of a path goes around a rule, no link leads out
of what is shown, no unknown name is answered, and one address does not shut out the others.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from host import Answer, Host, ansible_playbook, command, write_inventory
from project import HOME, SITE, Project

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


@pytest.fixture(scope="module", params=map(in_its_circle, RULES))
def site(
    request: pytest.FixtureRequest,
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    """The project, deployed on a host of its own with one of the web servers."""
    host = start_host(image=provisioned_image)
    project = Project.make(host, tmp_path_factory.mktemp("web"))
    project.variables |= {
        "app_web_server": request.param,
        "web_server_extra": RULES[request.param],
        "app_shared_paths": ["db.sqlite3", "media/"],
        "app_media_path": "media/",
        "app_backup_at": "",
    }
    project.provision()
    commit(project)
    project.deploy()
    return Site(project, request.param)


# -- what the app is told --------------------------------------------------------------------------


def test_nothing_that_a_visitor_says_speaks_for_a_proxy(site: Site) -> None:
    plain = told(site.ask("/tell/", ("User-Agent", "x")))
    meta = plain["meta"]
    assert plain["address"] == f"http://{SITE}/tell/"
    assert (meta["HTTP_HOST"], meta["HTTP_X_FORWARDED_PROTO"]) == (SITE, "http")
    assert meta["HTTP_X_FORWARDED_FOR"] == meta["HTTP_X_REAL_IP"]
    assert re.fullmatch(r"[0-9.]+", meta["HTTP_X_FORWARDED_FOR"])
    assert {name for name in meta if name.startswith("HTTP_")} == {
        "HTTP_HOST",
        "HTTP_USER_AGENT",
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_REAL_IP",
    }
    assert told(site.ask("/tell/", ("User-Agent", "x"), *SPOOFED)) == plain
    emptied = [(name, "") for name, _ in SPOOFED]
    assert told(site.ask("/tell/", ("User-Agent", "x"), *emptied)) == plain
    for header in SPOOFED:  # each alone, too: two of them may be refused together
        assert told(site.ask("/tell/", ("User-Agent", "x"), header)) == plain, header


def test_what_is_the_visitor_s_to_say_passes(site: Site) -> None:
    own = [("X-Custom", "kept"), ("Cookie", "a=b"), ("Authorization", "Basic YTpi")]
    meta = told(site.ask("/tell/?x=%2F&y=..%2F", *own))["meta"]
    assert meta["HTTP_X_CUSTOM"] == "kept"
    assert (meta["HTTP_COOKIE"], meta["HTTP_AUTHORIZATION"]) == ("a=b", "Basic YTpi")
    assert meta["QUERY_STRING"] == "x=%2F&y=..%2F"


def test_no_visitor_has_what_the_web_server_says_left_out(site: Site) -> None:
    """As a header of this connection alone, which a proxy does not pass on."""
    plain = told(site.ask("/tell/"))
    for names in (
        "close, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP",
        "x-forwarded-for,x-real-ip ,X-FORWARDED-PROTO, close",
    ):
        assert told(site.ask("/tell/", ("Connection", names))) == plain, names
    each = [("Connection", name) for name in ("X-Forwarded-For", "X-Real-IP", "close")]
    assert told(site.ask("/tell/", *each)) == plain


#: asks what runs the app, past the web server's own rules, and prints the answers' bodies
PAST = """
import json, os, socket, sys
where, headers = json.load(sys.stdin)
said = []
for name, value in headers:
    if where.startswith("/"):
        one = socket.socket(socket.AF_UNIX)
        one.connect(where)
    else:
        one = socket.create_connection((where, 80))
    lines = ["GET /tell/ HTTP/1.1", "Host: localhost", "Connection: close", f"{name}: {value}"]
    one.sendall("\\r\\n".join([*lines, "", ""]).encode())
    said.append(b"".join(iter(lambda: one.recv(65536), b"")).partition(b"\\r\\n\\r\\n")[2].decode())
json.dump(said, sys.stdout)
"""


def test_what_runs_the_app_takes_no_place_in_the_site_from_a_header(site: Site) -> None:
    """Whatever is in front of it; with nginx in a version of gunicorn without settings for that."""
    where = "/run/playbill/current.sock"
    if site.web_server == "nginx":
        site.project.deploy(app_gunicorn="gunicorn==21.2.0")
        test_nothing_that_a_visitor_says_speaks_for_a_proxy(site)
    if site.web_server == "apache":
        slots = json.loads(site.host.shell("cat /etc/playbill/doors.json"))["addresses"]
        used = site.host.shell("ls -d /etc/playbill/door-*").strip()
        where = slots[used[-1]]
    underscored = [header for header in SPOOFED if "_" in header[0]]
    asked = json.dumps([where, underscored])
    said = site.host.run(["python3", "-c", PAST], stdin=asked).stdout
    for (name, value), body in zip(underscored, json.loads(said), strict=True):
        meta = json.loads(body)["meta"]
        assert (meta["SCRIPT_NAME"], meta["PATH_INFO"]) == ("", "/tell/"), name
        assert value not in [meta[key] for key in meta if key.startswith("HTTP_")], name


# -- which rules hold ------------------------------------------------------------------------------


def test_no_spelling_of_a_path_goes_around_a_rule(site: Site) -> None:
    assert site.ask("/internal/x").status == 403
    reached = [path for path in SPELLINGS if "secret" in site.ask(path).text]
    assert reached == []
    for header in SPOOFED:
        for path in ("/", "/x", "/tell/internal/x"):
            assert "secret" not in site.ask(path, header).text, (path, header)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("a%20b", "a b"),
        ("a%2Fb", "a/b"),
        ("a%2fb%3F%23", "a/b?#"),
        ("caf%C3%A9", "café"),
        ("100%25", "100%"),
        ("a;b=c,d", "a;b=c,d"),
        ("x.tar.gz", "x.tar.gz"),
        ("..a/b..c/...", "..a/b..c/..."),
        ("a+b&c=d", "a+b&c=d"),
        (".well-known/x", ".well-known/x"),
    ],
)
def test_paths_that_browsers_send_come_to_the_app_as_they_are(
    site: Site, sent: str, read: str
) -> None:
    answer = site.ask(f"/echo/{sent}")
    assert (answer.status, answer.text) == (200, read)


def test_no_trace_no_listing_no_version(site: Site) -> None:
    assert site.ask("/", ("Cookie", "a=b"), method="TRACE").status in (403, 405)
    for path in ("/static/", "/static/notes/", "/media/"):
        assert site.ask(path).status in (403, 404), path
    for path in ("/", "/media/", "/static/notes/plain.txt"):
        assert re.fullmatch(r"(nginx|Apache)?", site.ask(path).headers.get("server", "")), path
    kind = site.ask("/static/notes/plain.txt").headers["x-content-type-options"]
    assert kind == "nosniff"


# -- what is shown ---------------------------------------------------------------------------------

LINKS = {
    "passwd": "/etc/passwd",
    "log": "/var/log/greenroom-visitors.log",
    "other": "/srv/other/shared/report.txt",
    "code": f"{HOME}/current/config/settings.py",
    "data": f"{HOME}/shared/private.txt",
    "etc": "/etc",
    "up": "..",
    "far": "../../../../../../../../../etc/passwd",
    "chain": "passwd",
    "self": "self",
}
WAYS = [*LINKS, "etc/passwd", "up/up/up/etc/passwd", "etc/hostname"]


def put_links(host: Host, folder: str) -> None:
    """Put links into a folder that belong to its owner, and the same again that are root's."""
    made = "".join(f"ln -sfn {target} {name}; " for name, target in LINKS.items())
    host.shell(
        "install -d -m 755 /srv/other/shared; echo report >/srv/other/shared/report.txt;"
        "echo 192.0.2.1 >/var/log/greenroom-visitors.log;"
        f"install -o playbill -m 644 /dev/null {HOME}/shared/private.txt;"
        f"echo private >{HOME}/shared/private.txt;"
        f"cd {folder} && {made} chown -h --reference=. {' '.join(LINKS)};"
        f"mkdir -p root && cd root && {made} chmod 755 . /srv/other"
    )


def shown(site: Site, url: str) -> list[str]:
    """What is shown by a link below an address, and is not to be."""
    paths = [f"{url}{below}{way}" for below in ("", "root/") for way in WAYS]
    answers = {path: site.ask(path) for path in paths}
    return [path for path, answer in answers.items() if answer.status not in (403, 404)]


def test_no_link_leads_out_of_the_static_files(site: Site) -> None:
    tree = site.project.tree()
    put_links(site.host, f"{tree}/.greenroom/public/static/notes")
    assert shown(site, "/static/notes/") == []
    assert site.ask("/static/notes/plain.txt").text == "one"
    commit(site.project, "two")
    site.project.deploy()
    assert site.project.tree() != tree
    assert shown(site, "/static/notes/") == [], "nor by way of the release before"
    assert site.ask("/static/notes/plain.txt").text == "two"
    page = site.host.shell(f"ls {tree}/.greenroom/public/static/notes").split()
    hashed = next(name for name in page if re.fullmatch(r"plain\.[0-9a-f]{12}\.txt", name))
    assert site.ask(f"/static/notes/{hashed}").text == "one", "a page may still be open"


def test_no_link_leads_out_of_the_uploads(site: Site) -> None:
    media = f"{HOME}/shared/media"
    site.host.shell(f"cd {media}; mkdir -p a; echo seen >a/upload.txt; chmod -R a+rX .")
    put_links(site.host, media)
    assert shown(site, "/media/") == []
    assert site.ask("/media/a/upload.txt").text == "seen\n"
    site.host.shell(f"mv {media} {media}.real; ln -s /etc {media}; chown -h playbill {media}")
    assert site.ask("/media/passwd").status in (403, 404)
    site.host.shell(f"ln -sfn /etc {media}")
    assert site.ask("/media/passwd").status in (403, 404), "nor where it is root's"
    site.host.shell(f"rm {media}; mv {media}.real {media}")
    assert site.ask("/media/a/upload.txt").text == "seen\n"


# -- who may take all connections ------------------------------------------------------------------

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


@pytest.fixture(scope="module")
def attacker(start_host: Callable[..., Host]) -> Host:
    """A machine with an address of its own."""
    return start_host()


def test_one_address_does_not_shut_out_the_others(site: Site, attacker: Host) -> None:
    """With headers that never end, and on nginx with bodies, which it has whole before the app."""
    for kind in ["header", "body"] if site.web_server == "nginx" else ["header"]:
        with slow_visitor(attacker, site.host.address, kind):
            for _ in range(10):
                before = time.monotonic()
                assert site.ask("/tell/").status == 200
                assert site.ask("/static/notes/plain.txt").status == 200
                assert time.monotonic() - before < 5
                time.sleep(0.3)


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


def wait_until_answered(site: Site) -> None:
    """A reload of Apache has mod_wsgi begin its processes anew, which takes them a moment."""
    for _ in range(300):
        with suppress(OSError):
            if site.ask("/tell/").status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the site does not answer")


def test_a_limit_of_requests_that_an_address_has_at_once(site: Site, attacker: Host) -> None:
    """It is lowered where it was written, since site.yml takes longer to do the same."""
    nginx = site.web_server == "nginx"
    file = "nginx/sites-available/playbill" if nginx else "apache2/sites-available/zz-0-greenroom"
    lower = r"s/^( *(limit_conn greenroom|Sec\w+StateLimit) )100/\13/"
    reload = f"systemctl reload {'nginx' if nginx else 'apache2'}"
    crowd = ["python3", "-c", CROWD, site.host.address]
    assert attacker.run(crowd).stdout.split() == ["200"] * 12
    at, refused = f"/etc/{file}.conf", "429" if nginx else "0"
    site.host.shell(f"cp -a {at} /root/kept; sed -Ei '{lower}' {at}; {reload}")
    for _ in range(20):  # the processes from before the reload accept for a moment more
        wait_until_answered(site)
        statuses = attacker.run(crowd).stdout.split()
        if refused in statuses:
            break
    site.host.shell(f"mv /root/kept {at}; {reload}")
    wait_until_answered(site)
    assert {"200", refused} <= set(statuses)


# -- who is asked for ------------------------------------------------------------------------------


def test_only_a_name_of_the_app_is_answered(site: Site) -> None:
    refused = {0, 421, 400}
    for name in ("evil.test", "localhost.evil.test", "evil.localhost", "_", "greenroom.invalid"):
        assert site.ask("/tell/", host=name).status in refused, name
    assert site.ask("/tell/", host=None, version="1.0").status in refused
    assert site.ask("/tell/", host="").status in refused
    assert site.ask("http://evil.test/tell/").status in refused
    assert site.ask("/tell/", ("Host", "evil.test")).status in refused, "two of them"
    assert site.ask("/tell/", host="LOCALHOST").status == 200
    assert site.ask("/tell/", host=f"{SITE}:80").status == 200


# -- two apps, each with a port of its own ---------------------------------------------------------


@pytest.fixture(scope="module")
def two(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, int], Host]:
    """A host, and what has site.yml prepare an app on it, which nothing serves yet."""
    ipv6 = "--sysctl=net.ipv6.conf.all.disable_ipv6=0"
    host = start_host(image=provisioned_image, limits=[ipv6])
    folder = tmp_path_factory.mktemp("two")

    def prepare(app: str, port: int) -> Host:
        host.inventory(
            folder / "staging",
            app_name=app,
            app_repository="/srv/git/playbill.git",
            app_domains=[f"{app}.test"],
            app_port=port,
            app_backup_at="",
        )
        host.playbook("site.yml")
        return host

    return prepare


@pytest.mark.parametrize(
    "order", [[("playbill", 80), ("matinee", 8080)], [("playbill", 80)], [("matinee", 8080)]]
)
def test_an_unknown_name_is_refused_on_each_app_s_port(
    two: Callable[[str, int], Host], order: list[tuple[str, int]]
) -> None:
    """Whichever was prepared last: what all share does not know the ports of all."""
    for app, port in order:
        host = two(app, port)
    for address in ("127.0.0.1", "::1"):
        for app, port, other in (("playbill", 80, "matinee"), ("matinee", 8080, "playbill")):
            said = {
                name: host.run(["python3", "-c", STATUS, address, str(port), name]).stdout.strip()
                for name in (f"{app}.test", f"{other}.test", "evil.test", "")
            }
            assert said == {f"{app}.test": "503", f"{other}.test": "0", "evil.test": "0", "": "0"}


#: asks for a page on the host itself by a name, or by HTTP/1.0 without one
STATUS = """
import socket, sys
address, port, name = sys.argv[1:]
one = socket.create_connection((address, int(port)))
line = f"GET / HTTP/1.1\\r\\nHost: {name}" if name else "GET / HTTP/1.0"
one.sendall(f"{line}\\r\\n\\r\\n".encode())
got = one.recv(100)
print(int(got.split()[1]) if got else 0)
"""


# -- behind a balancer -----------------------------------------------------------------------------


@pytest.fixture(
    scope="module", params=[in_its_circle(server) for server in ("nginx", "apache_proxy")]
)
def balanced(
    request: pytest.FixtureRequest,
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Host, Project]:
    """A balancer, and the project on the one host behind it."""
    host, balancer = start_host(image=provisioned_image), start_host()
    folder = tmp_path_factory.mktemp("balanced")
    project = Project.make(host, folder)
    commit(project)
    own = {
        **project.variables,
        "app_health_path": "/",
        "app_web_server": request.param,
        "web_server_extra": RULES[request.param],
        "web_server_connections_per_address": 3,
        "balancer_connections_per_address": 8,
        "app_backup_at": "",
    }
    inventory = write_inventory(folder / "staging", {host: own}, balancers=[balancer])
    for playbook in ("site.yml", "deploy.yml"):
        ansible_playbook(inventory, playbook)
    return balancer, project


def test_behind_a_balancer_its_word_alone_is_believed(balanced: tuple[Host, Project]) -> None:
    balancer, project = balanced
    us = command("ip", "-4", "route", "get", balancer.address).stdout.split("src ")[1].split()[0]
    plain = told(ask(balancer.address, "/tell/"))
    assert plain["meta"]["HTTP_X_FORWARDED_FOR"] == plain["meta"]["HTTP_X_REAL_IP"] == us
    assert plain["address"] == f"http://{SITE}/tell/"
    assert told(ask(balancer.address, "/tell/", *SPOOFED)) == plain
    past = told(ask(project.host.address, "/tell/", *SPOOFED))
    assert past == plain, "nor is a visitor who comes past it"
    names = ("Connection", "close, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP")
    assert told(ask(balancer.address, "/tell/", names)) == plain


def test_behind_a_balancer_no_spelling_goes_around_a_rule(balanced: tuple[Host, Project]) -> None:
    balancer, _ = balanced
    assert ask(balancer.address, "/internal/x").status == 403
    reached = [path for path in SPELLINGS if "secret" in ask(balancer.address, path).text]
    assert reached == []
    assert ask(balancer.address, "/internal/%2e%2E/x").status == 400
    assert ask(balancer.address, "/echo/a%2Fb..c").text == "a/b..c"


def test_behind_a_balancer_the_limit_is_each_visitor_s(
    balanced: tuple[Host, Project], attacker: Host
) -> None:
    """The limit of the host behind it is not the balancer's, by whom all of them come."""
    balancer, _ = balanced
    statuses = attacker.run(["python3", "-c", CROWD, balancer.address]).stdout.split()
    assert "200" in statuses
    assert "429" in statuses
    for _ in range(30):
        assert ask(balancer.address, "/tell/").status == 200


def test_one_address_does_not_shut_out_the_others_of_a_balancer(
    balanced: tuple[Host, Project], attacker: Host, request: pytest.FixtureRequest
) -> None:
    """With bodies, too, where nginx is behind it: what passes Apache holds a worker of the app."""
    balancer, _ = balanced
    nginx = request.node.callspec.params["balanced"] == "nginx"
    for kind in ["header", "body"] if nginx else ["header"]:
        with slow_visitor(attacker, balancer.address, kind):
            for _ in range(5):
                assert ask(balancer.address, "/tell/").status == 200
