"""Visitors who want more than the site shows them, on each web server that an app can have.

What they send never speaks for a proxy, no spelling of a path goes around a rule, no link leads out
of what is shown, no unknown name is answered, and one address does not shut out the others.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from host import Host
from project import HOME, SITE, Project

from tests.end_to_end.visitors import (
    CROWD,
    RULES,
    SPELLINGS,
    SPOOFED,
    Site,
    commit,
    in_its_circle,
    slow_visitor,
    told,
)


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
