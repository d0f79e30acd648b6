"""What each user of a host can see and write, what the web shows, and where secrets are not.

One site with secrets of its own lives through a deploy, another, one that fails, and a rollback,
all at the highest verbosity. Then everybody on the host is asked what they can reach.
"""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from example import Example
from host import Answer, Host, PlaybookRun

pytestmark = pytest.mark.story

SECRETS = {
    "SECRET_KEY": "first-night-nobody-may-read-this-0451",
    "MAIL_PASSWORD": "pa\"ss'w$ord#nobody-may-read-this\\n",
    "PRIVATE_KEY": "-----BEGIN KEY-----\nnobody-may-read-this-line-one\nand-nobody-this-line-two\n",
    "SHORT": "zq7!",
}
CHANGED = "second-night-nobody-may-read-this-0815"
#: what is looked for: a part of each secret that no quoting changes
TRACES = [
    "nobody-may-read-this",
    "and-nobody-this-line-two",
    "zq7!",
]
#: what the app's tree has that no visitor may see
CODE_SECRET = "the-combination-of-the-safe"

# Reads every command line on the host, again and again, until it is told to stop.
SAMPLER = """
import glob, json, os, time
with open("/root/traces.json") as file: traces = [trace.encode() for trace in json.load(file)]
samples, seen, hits = 0, set(), set()
locks = set()
while not os.path.exists("/run/stop-sampling"):
    samples += 1
    time.sleep(0.005)
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file: line = file.read()
        except OSError: continue
        if line in seen: continue
        seen.add(line)
        if any(trace in line for trace in traces): hits.add(line.decode(errors="replace"))
    try: locks.add(oct(os.stat("/srv/playbill/lock.json").st_mode & 0o7777))
    except OSError: pass
found = {"samples": samples, "lines": len(seen), "hits": sorted(hits), "locks": sorted(locks)}
with open("/root/samples.json", "w") as file: json.dump(found, file)
"""

# Tries to write to everything below its arguments that it can see; prints what worked.
INTRUDER = """
import os, sys
def attempt(name, act, *arguments):
    try: act(*arguments)
    except OSError: return
    print(name)
for top in sys.argv[1:]:
    for folder, folders, files in os.walk(top):
        beside = os.path.join(folder, ".intruder")
        attempt(f"create in {folder}", lambda: os.close(os.open(beside, os.O_CREAT | os.O_WRONLY)))
        attempt(f"chmod {folder}", os.chmod, folder, 0o777)
        for name in folders + files:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                attempt(f"move the link {path}", os.rename, path, path + ".moved")
                continue
            attempt(f"move {path}", os.rename, path, path + ".moved")
            if name in files:
                attempt(f"write {path}", lambda: os.close(os.open(path, os.O_WRONLY)))
                attempt(f"remove {path}", os.unlink, path)
"""


@dataclass
class Site:
    """The host, and all that was printed while its site lived."""

    host: Host
    runs: dict[str, PlaybookRun] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """All that was printed."""
        return "".join(run.output for run in self.runs.values())

    def tries(self, user: str, *argv: str) -> int:
        """How a command of that user ends."""
        return self.host.run(list(argv), user=user, check=False).returncode


@pytest.fixture(scope="module")
def site(host: Host, playbill: Example) -> Site:
    """Deploy, deploy with another secret, fail, go back, and look; each with -vvv --diff."""
    site = Site(host)
    own = json.loads(host._inventories[-1].read_text())["staging"]["hosts"][host.container]
    keep = ("app_name", "app_repository", "app_domains", "app_health_path")
    settings = {key: own[key] for key in keep}

    def configure(**env: str) -> None:
        hosts = {**SECRETS, "ALLOWED_HOSTS": ",".join(own["app_domains"]), **env}
        path = Path(host._inventories[0])
        host.inventory(path, **settings, app_env=hosts, gunicorn_memory_max="200M")

    def run(name: str, playbook: str, check: bool = True) -> None:
        site.runs[name] = host.playbook(playbook, "-vvv", "--diff", check=check)

    configure()
    playbill.set_branch("staging", "v2")
    playbill.commit({".env": CODE_SECRET, "shows/static/playbill/.env": "x"}, "A mistake")
    # Written by way of standard input, so that sudo's log does not have what is looked for there.
    host.run(["install", "-m", "600", "/dev/stdin", "/root/traces.json"], stdin=json.dumps(TRACES))
    host.run(["install", "/dev/stdin", "/root/sampler.py"], stdin=SAMPLER)
    host.run(["systemd-run", "--quiet", "--unit=sampler", "python3", "/root/sampler.py"])
    run("site", "site.yml")
    run("deploy", "deploy.yml")
    configure(SECRET_KEY=CHANGED)
    run("change", "deploy.yml")
    playbill.set_branch("staging", "v4")
    run("failure", "deploy.yml", check=False)
    run("rollback", "rollback.yml")
    run("status", "status.yml")
    host.shell("touch /run/stop-sampling; while systemctl -q is-active sampler; do sleep 0.1; done")
    site.samples = json.loads(host.shell("cat /root/samples.json"))
    # The tests start where release 2 serves, which has the changed secret.
    host.playbook("rollback.yml", "-e", "rev=2")
    # Two visitors' uploads, as the app would have put them there.
    host.shell(
        "umask 022; cd /srv/playbill/shared/media &&"
        "echo '<script>1</script>' >x.html && echo '<svg/>' >x.svg",
        user="playbill",
    )
    return site


# -- secrets --------------------------------------------------------------------------------------


def test_the_runs_did_what_they_should(site: Site) -> None:
    """Otherwise what is looked for below could not have been there."""
    assert "Release 1 (" in site.runs["deploy"].stdout
    assert "Release 2 (" in site.runs["change"].stdout
    assert "The understudy forgot the lines" in site.runs["failure"].output
    assert "Went back to release 1" in site.runs["rollback"].stdout
    assert "release 1 serves, healthy" in site.runs["status"].stdout
    for number, key in ((1, SECRETS["SECRET_KEY"]), (2, CHANGED)):
        assert key in site.host.shell(f"cat /etc/playbill/{number}.env")


@pytest.mark.parametrize("run", ["site", "deploy", "change", "failure", "rollback", "status"])
def test_no_secret_is_in_an_output(site: Site, run: str) -> None:
    output = site.runs[run].output
    assert "ESTABLISH SSH CONNECTION" in output, "it was at -vvv"
    assert [trace for trace in TRACES if trace in output] == []


def test_no_secret_was_in_a_command_line(site: Site) -> None:
    assert site.samples["samples"] > 100
    assert site.samples["lines"] > 30
    assert site.samples["hits"] == []


def test_no_secret_is_in_a_log(site: Site) -> None:
    log = site.host.shell("journalctl --no-pager --all --output=export; cat /var/log/nginx/*")
    assert "playbill@2.service" in log
    assert [line for line in log.splitlines() if any(trace in line for trace in TRACES)] == []


def test_no_secret_is_in_a_unit_file(site: Site) -> None:
    units = site.host.shell(
        "systemctl cat 'playbill@2.service'; systemctl show 'playbill@2.service'"
    )
    assert "EnvironmentFile" in units
    assert [trace for trace in TRACES if trace in units] == []


@pytest.mark.parametrize("user", ["nobody", "www-data", "playbill-build"])
def test_no_secret_is_in_a_file_that_others_can_read(site: Site, user: str) -> None:
    """The whole host is searched, and the memory of its processes is asked for."""
    expressions = [word for trace in TRACES for word in ("-e", trace)]
    tops = [
        "/bin",
        "/etc",
        "/home",
        "/opt",
        "/root",
        "/run",
        "/srv",
        "/tmp",
        "/usr",
        "/var",
        "/dev/shm",
    ]
    grep = [
        "grep",
        "--recursive",
        "--files-with-matches",
        "--text",
        "--fixed-strings",
        "--devices=skip",
    ]
    found = site.host.run([*grep, *expressions, *tops], user=user, check=False).stdout
    assert found == ""
    environ = site.host.run(["sh", "-c", "cat /proc/[0-9]*/environ"], user=user, check=False).stdout
    assert not any(trace in environ for trace in TRACES)
    # The same search finds them where they are, as somebody who may.
    there = site.host.run([*grep, *expressions, "/etc/playbill"], check=False).stdout.split()
    # The third is that of the release that failed, which stays to be looked at.
    assert sorted(there) == [f"/etc/playbill/{number}.env" for number in (1, 2, 3)]


def test_the_modes_of_what_is_private(site: Site) -> None:
    listing = site.host.listing("/srv/playbill", "/etc/playbill")
    modes = {path: " ".join(what.split()[:2]) for path, what in listing.items()}
    assert modes["/etc/playbill"] == "drwxr-x--- root:playbill"
    assert modes["/etc/playbill/2.env"] == "-rw-r----- root:playbill"
    assert modes["/etc/playbill/gunicorn.conf.py"] == "-rw-r----- root:playbill"
    assert modes["/srv/playbill"] == "drwxr-x--- root:playbill-web"
    assert modes["/srv/playbill/journal.json"] == "-rw-r----- root:root"
    assert modes["/srv/playbill/shared/db.sqlite3"] == "-rw-r----- playbill:playbill-django"
    assert modes["/srv/playbill/build"] == "drwx------ playbill-build:playbill-build"
    assert modes["/srv/playbill/access"] == "drwxr-x--- root:playbill-build"
    assert (
        modes["/srv/playbill/access/.ssh/deploy_key"] == "-rw------- playbill-build:playbill-build"
    )
    assert site.samples["locks"] == ["0o600"]
    assert "/srv/playbill/lock.json" not in modes


# -- who can do what ------------------------------------------------------------------------------


def test_the_service_user_can_write_its_data_and_nothing_else(site: Site) -> None:
    tops = ["/srv", "/etc", "/run/playbill", "/opt", "/var/www", "/usr/local"]
    find = ["find", *tops, "-writable", "!", "-type", "l", "-printf", r"%p\n"]
    found = site.host.run(find, user="playbill", check=False).stdout.splitlines()
    assert "/srv/playbill/shared/db.sqlite3" in found
    assert "/run/playbill/2.sock" in found
    mine = re.compile(r"/srv/playbill/shared(/.*)?|/run/playbill|/run/playbill/\d+\.sock")
    assert [path for path in found if not mine.fullmatch(path)] == []


def test_the_service_user_cannot_touch_its_code(site: Site) -> None:
    """It really tries, on every file and folder: to write, to move, to remove, to make another."""
    home = "/srv/playbill"
    tops = [
        f"{home}/releases",
        f"{home}/venvs",
        "/etc/playbill",
        "/etc/systemd/system",
        "/etc/nginx",
    ]
    before = site.host.checksum(home, "/etc")
    tried = site.host.run(["python3", "-c", INTRUDER, *tops], user="playbill")
    assert tried.stdout == ""
    assert site.host.checksum(home, "/etc") == before
    # The same attempts work where they may.
    site.host.run(["mkdir", f"{home}/shared/open"], user="playbill")
    may = site.host.run(["python3", "-c", INTRUDER, f"{home}/shared/open"], user="playbill").stdout
    assert f"create in {home}/shared/open\n" in may
    site.host.shell(f"rm -r {home}/shared/open")


@pytest.mark.parametrize("path", ["/srv/playbill/current", "/run/playbill/current.sock"])
def test_the_service_user_cannot_take_the_stage(site: Site, path: str) -> None:
    for argv in (["mv", path, f"{path}.x"], ["rm", "-f", path], ["ln", "-sfn", "/tmp/x", path]):
        assert site.tries("playbill", *argv) != 0
    assert site.host.get("/health/").status == 200


def test_the_builder_cannot_read_what_is_secret(site: Site) -> None:
    assert site.tries("playbill-build", "ls", "/etc/playbill") != 0
    assert site.tries("playbill-build", "cat", "/etc/playbill/2.env") != 0
    assert site.tries("playbill-build", "cat", "/srv/playbill/shared/db.sqlite3") != 0
    assert site.tries("playbill-build", "cat", "/srv/playbill/journal.json") != 0
    # It can read what it made, or these would be empty words.
    assert site.tries("playbill-build", "cat", "/srv/playbill/build/repository/HEAD") == 0
    # And nothing of it any more, once it is sealed.
    assert site.tries("playbill-build", "cat", "/srv/playbill/current/manage.py") != 0


def test_strangers_stay_outside(site: Site) -> None:
    """Another app's user, for one."""
    site.host.shell("id stranger 2>/dev/null || useradd --system stranger")
    connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/playbill/{}.sock')"
    for path in ("/srv/playbill", "/etc/playbill", "/run/playbill"):
        assert site.tries("stranger", "ls", path) != 0
    for path in ("/srv/playbill/current/manage.py", "/srv/playbill/shared/media/x.html"):
        assert site.tries("stranger", "cat", path) != 0
    for name in ("2", "current"):
        assert site.tries("stranger", "python3", "-c", connect.format(name)) != 0
        assert site.tries("www-data", "python3", "-c", connect.format(name)) == 0


def test_the_web_server_can_read_what_it_shows(site: Site) -> None:
    tree, media = "/srv/playbill/current", "/srv/playbill/shared/media"
    public = site.host.shell(f"find {tree}/.greenroom/public/ -name 'playbill.*.css'").split()
    assert public
    for path in (*public, f"{media}/x.html"):
        assert site.tries("www-data", "cat", path) == 0
    secret = [
        "/etc/playbill/2.env",
        "/srv/playbill/shared/db.sqlite3",
        "/srv/playbill/journal.json",
    ]
    for path in (*secret, f"{tree}/.env", f"{tree}/playbill/settings.py"):
        assert site.tries("www-data", "cat", path) != 0, path
    assert site.tries("www-data", "touch", f"{media}/y") != 0
    assert site.tries("playbill", "cat", f"{tree}/.env") == 0


# -- the service ----------------------------------------------------------------------------------


def test_the_service_is_confined(site: Site) -> None:
    shown = site.host.run(
        ["systemd-analyze", "--no-pager", "security", "playbill@2.service"]
    ).stdout
    found = re.search(r"Overall exposure level for playbill@2\.service: ([0-9.]+)", shown)
    assert found
    assert float(found[1]) <= 1.5, shown


def test_the_memory_limit_is_really_set(site: Site) -> None:
    show = ["systemctl", "show", "--value", "--property"]
    assert site.host.run([*show, "MemoryMax", "playbill@2"]).stdout.strip() == str(200 * 2**20)
    group = site.host.run([*show, "ControlGroup", "playbill@2"]).stdout.strip()
    limits = (
        f"/sys/fs/cgroup{group}/memory.max",
        f"/sys/fs/cgroup/memory{group}/memory.limit_in_bytes",
    )
    read = site.host.shell(f"cat {' '.join(limits)} 2>/dev/null", check=False)
    assert read.strip() == str(200 * 2**20)


# -- the web --------------------------------------------------------------------------------------


def ask(host: Host, request: str) -> bytes:
    """What comes back for a request as it is written; nothing where the server hangs up."""
    with socket.create_connection((host.address, 80), timeout=5) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "10.0.0.1", "_"])
def test_a_name_that_is_not_the_sites_gets_no_answer(site: Site, name: str) -> None:
    for path in ("/", "/health/", "/static/x", "/media/x.html"):
        assert (
            ask(site.host, f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n")
            == b""
        )
    assert ask(site.host, "GET / HTTP/1.0\r\n\r\n") == b""
    assert b" 400 " in ask(site.host, "GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    "request_head",
    [
        "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: evil.example",
        "GET / HTTP/1.1\r\nHost: localhost\r\nForwarded: host=evil.example",
        "GET http://localhost/ HTTP/1.1\r\nHost: evil.example",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example",
        "GET / HTTP/1.1\r\nHost: evil.example\r\nHost: localhost",
        "GET / HTTP/1.1\r\nHost: localhost@evil.example",
        "GET / HTTP/1.1\r\nHost: localhost:80@evil.example",
        "GET / HTTP/1.1\r\nHost: evil.example/localhost",
    ],
)
def test_a_host_header_cannot_be_smuggled_in(site: Site, request_head: str) -> None:
    """The app sees a name of its own, or the request never gets there."""
    since = site.host.shell("journalctl --no-pager --show-cursor --lines=0").rpartition("cursor: ")[
        2
    ]
    answer = ask(site.host, f"{request_head}\r\nConnection: close\r\n\r\n")
    assert b"evil" not in answer
    assert answer[9:12] in (b"", b"200", b"400"), "the app is up"
    log = site.host.run(["journalctl", "--no-pager", f"--after-cursor={since.strip()}"]).stdout
    assert "evil" not in log, "the app saw it"


PATHS = [
    "/static/..%2f..%2fasked.json",
    "/static/../../asked.json",
    "/static/%2e%2e/%2e%2e/asked.json",
    "/static../asked.json",
    "/static/..%5casked.json",
    "/static/%00",
    "/static//etc/passwd",
    "/media/../db.sqlite3",
    "/media/..%2fdb.sqlite3",
    "/media/%2e%2e/db.sqlite3",
    "/media/%2e%2e%2fdb.sqlite3",
    "/media../db.sqlite3",
    "/media/x.html/../../db.sqlite3",
    "/../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/.env",
    "/static/playbill/.env",
    "/.git/config",
    "/.venv/bin/python",
    "/.greenroom/env",
    "/.greenroom/asked.json",
    "/.greenroom/release.json",
    "/static/.greenroom/env",
    "/manage.py",
    "/db.sqlite3",
    "/playbill/settings.py",
    "/503.html",
]


@pytest.mark.parametrize("path", PATHS)
def test_only_what_is_public_is_served(site: Site, path: str) -> None:
    answer = ask(site.host, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    status = int(answer.split()[1])
    assert status in (400, 403, 404)
    for words in (b"SQLite format", b"root:x:", b"SECRET_KEY", CODE_SECRET.encode(), b'"revision"'):
        assert words not in answer


def upload(host: Host, name: str) -> Answer:
    """What the web server shows of a visitor's file."""
    return host.get(f"/media/{name}")


@pytest.mark.parametrize(("name", "kind"), [("x.html", "text/html"), ("x.svg", "image/svg+xml")])
def test_an_upload_is_no_page_of_the_site(site: Site, name: str, kind: str) -> None:
    """A script in it gets neither the site's cookies nor the right to run."""
    answer = upload(site.host, name)
    assert answer.status == 200
    assert answer.headers["content-type"].partition(";")[0] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy


def test_the_folder_of_the_uploads_cannot_lead_elsewhere(site: Site) -> None:
    """It is in a place where the app can put a link in its stead; nginx reads more than the app."""
    site.host.shell(
        "install -d /srv/mine; echo TOPSECRET >/srv/mine/x.html;"
        "chown root:www-data /srv/mine/x.html; chmod 640 /srv/mine/x.html"
    )
    media = "/srv/playbill/shared/media"
    swap = f"mv {media} {media}.real && ln -s /srv/mine {media}"
    assert site.tries("playbill", "sh", "-c", swap) == 0
    answer = upload(site.host, "x.html")
    assert site.tries("playbill", "sh", "-c", f"rm {media} && mv {media}.real {media}") == 0
    assert answer.status in (403, 404)
    assert "TOPSECRET" not in answer.text
    assert upload(site.host, "x.html").status == 200


def test_media_is_not_listed(site: Site) -> None:
    assert upload(site.host, "").status in (403, 404)


def test_the_server_does_not_tell_its_version(site: Site) -> None:
    assert site.host.get("/").headers["server"] == "nginx"


def test_a_build_cannot_lead_root_elsewhere(host: Host) -> None:
    """What is built runs as the build user, who cannot put a link where root then works."""
    host.shell("install -d -m 700 /opt/victim && install -m 600 /dev/null /opt/victim/shadow")
    before = host.checksum("/opt/victim")
    command = (
        "python3 -c \"import os; p = '.greenroom/public/static'; "
        "os.makedirs(os.path.dirname(p), exist_ok=True); os.symlink('/opt/victim', p)\""
    )
    commands = json.dumps({"app_commands_before_collectstatic": [command]})
    run = host.playbook("deploy.yml", "-e", commands, check=False)
    assert run.returncode != 0
    assert "PermissionError" in run.stdout
    assert host.checksum("/opt/victim") == before


def test_links_do_not_lead_site_yml_elsewhere(host: Host) -> None:
    """Neither one that the app puts into its data, nor one that a build puts into its home."""
    media, ssh = "/srv/playbill/shared/media", "/srv/playbill/build/.ssh"
    host.shell(f"mv {media} {media}.real && ln -s /opt/victim {media}; ln -s /opt/victim {ssh}")
    before = host.checksum("/opt/victim")
    run = host.playbook("site.yml", check=False)
    host.shell(f"rm {media} {ssh} && mv {media}.real {media}")
    assert run.returncode != 0
    assert host.checksum("/opt/victim") == before


def test_a_secret_that_the_app_itself_says_is_blotted_out(host: Host) -> None:
    command = "python -c \"import os; raise SystemExit('bad key ' + os.environ['SECRET_KEY'])\""
    commands = json.dumps({"app_commands_before_collectstatic": [command]})
    run = host.playbook("deploy.yml", "-e", commands, check=False)
    assert run.returncode != 0
    assert "bad key ********" in run.output
