"""Apache in front of the releases: on a host that has it already, with sites of somebody else.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from threading import Event
from typing import Any

import pytest
from example import Example, settings
from host import Host, Load

from tests.end_to_end.releases import FRIGHT, deploy, serving, stylesheet

pytestmark = [pytest.mark.extended, pytest.mark.story]

HOME = "/srv/playbill"

#: what somebody had on Apache before: PHP, as far as it is told by its handler, and a site
WIKI = """
<VirtualHost *:80>
    ServerName wiki.test
    DocumentRoot /var/www/wiki
</VirtualHost>
"""
PHP = '<FilesMatch "[.]php$">\\n    SetHandler server-info\\n</FilesMatch>'

#: a health page that tells, when asked, what it was asked
HEALTH = """
import time

from django.http import HttpResponse, JsonResponse


def health(request):
    if "tell" in request.GET:
        return JsonResponse({**request.headers, "path": request.get_full_path()})
    time.sleep(float(request.GET.get("sleep", "0")))
    return HttpResponse("ok", status=int(request.GET.get("status", "200")))
"""


def configure(host: Host, **more: Any) -> None:
    """Have the host's playbooks use these settings too from now on."""
    path = host.last_inventory
    own = json.loads(path.read_text())["staging"]["hosts"][host.container]
    kept = {key: value for key, value in own.items() if key.startswith(("app_", "web_server_"))}
    host.inventory(path, **{**kept, **more})


def state(host: Host, unit: str) -> str:
    """Whether a unit is up, and comes up at boot."""
    asked = f"systemctl is-active {unit}; systemctl is-enabled {unit}"
    return host.shell(asked, check=False).replace("\n", " ")


@contextmanager
def asking(ask: Callable[[], str]) -> Iterator[list[tuple[float, str]]]:
    """Ask all the time; the list fills with when, and with what, an answer was no good."""
    bad: list[tuple[float, str]] = []
    gone = Event()

    def visit() -> None:
        while not gone.is_set():
            if fault := ask():
                bad.append((time.monotonic(), fault))
            time.sleep(0.01)

    with ThreadPoolExecutor() as pool:
        visiting = pool.submit(visit)
        try:
            yield bad
        finally:
            gone.set()
            visiting.result()


def fault_of(host: Host) -> str:
    """What is wrong with a page that comes at once; empty where nothing is."""
    try:
        status = host.get("/health/", Connection="close").status
    except OSError as error:
        return repr(error)
    return "" if status == 200 else str(status)


def fault_of_a_slow_page(host: Host) -> str:
    """What cut a page short that takes seconds; nothing did where it was not even begun."""
    try:
        status = host.get("/health/?sleep=3", timeout=20, Connection="close").status
    except ConnectionRefusedError:
        return ""
    except (OSError, HTTPException) as error:
        return repr(error)
    return "" if status == 200 else str(status)


@pytest.fixture(scope="module")
def apache(bare_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Host:
    """A host with an Apache of somebody else's."""
    host = bare_host
    host.shell(
        "set -e; apt-get -qq install --yes --no-install-recommends apache2 >/dev/null 2>&1;"
        "mkdir /var/www/wiki; echo 'A wiki' >/var/www/wiki/index.html;"
        f"printf '{PHP}' >/etc/apache2/conf-available/php.conf;"
        "a2enconf --quiet php; a2enmod --quiet info"
    )
    host.run(["tee", "/etc/apache2/sites-available/wiki.conf"], stdin=WIKI)
    host.shell("a2ensite --quiet wiki; systemctl restart apache2")
    host.inventory(
        tmp_path_factory.mktemp("inventory") / "staging", **settings("localhost", host.address)
    )
    return host


@pytest.fixture(scope="module")
def playbill(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example's working copy; it is published when the host has git."""
    return Example.make(tmp_path_factory.mktemp("playbill"))


def test_nginx_is_refused_where_apache_has_the_port(apache: Host) -> None:
    before = apache.checksum("/etc", "/srv")
    run = apache.playbook("site.yml", check=False)
    assert (
        "app_web_server is nginx, and port 80 (app_port) of this host is that of apache2 with "
        "/etc/apache2/sites-enabled/000-default.conf, /etc/apache2/sites-enabled/wiki.conf."
    ) in " ".join(run.stdout.split())
    assert apache.checksum("/etc", "/srv") == before


def test_apache_is_prepared_beside_what_it_has(apache: Host, playbill: Example) -> None:
    configure(apache, app_web_server="apache_proxy")
    pid = apache.shell("cat /run/apache2/apache2.pid")
    apache.playbook("site.yml")
    answer = apache.get("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert answer.headers["cache-control"] == "no-store"
    assert "Back in a moment" in answer.text
    assert apache.get("/", "wiki.test").text == "A wiki\n"
    assert "Apache2 Debian Default Page" in apache.get("/", "nobody.test").text
    assert apache.shell("cat /run/apache2/apache2.pid") == pid, "it was never restarted"
    assert apache.playbook("site.yml").recap[apache.container]["changed"] == 0
    playbill.publish(apache)


def test_first_deploy(apache: Host, playbill: Example) -> None:
    deploy(apache, playbill, "v1")
    assert serving(apache) == 1
    assert apache.get("/").headers["server"] == "Apache"


def test_static_files_are_served_as_they_should(apache: Host) -> None:
    css = apache.get(stylesheet(apache), Accept_Encoding="gzip")
    assert css.status == 200
    assert css.headers["content-type"] == "text/css"
    assert css.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert css.headers["content-encoding"] == "gzip"
    plain = apache.get("/static/playbill/playbill.css")
    assert plain.headers["cache-control"] == "public, max-age=3600"
    again = apache.get("/static/playbill/playbill.css", If_None_Match=plain.headers["etag"])
    assert again.status == 304
    assert "cache-control" not in apache.get("/static/none.css").headers, "that is the app's word"


def test_deploys_and_a_rollback_under_load(apache: Host, playbill: Example) -> None:
    """And no reload: a handover is none of Apache's business."""
    old_css = stylesheet(apache)
    workers = apache.shell("pgrep --parent $(cat /run/apache2/apache2.pid)")
    with Load(apache, pause=0) as load:
        deploy(apache, playbill, "v2")
        assert serving(apache) == 2
        assert stylesheet(apache) != old_css
        assert apache.get(old_css).status == 200, "a page that is open still finds its CSS"
        apache.playbook("rollback.yml")
        assert serving(apache) == 1
        playbill.set_branch("staging", "v2")
        playbill.commit({"shows/health.py": HEALTH}, "Tell what is asked")
        apache.playbook("deploy.yml")
        assert serving(apache) == 3
    assert load.failures == 0, str(load)
    assert load.requests > 5_000, str(load)
    assert apache.shell("pgrep --parent $(cat /run/apache2/apache2.pid)") == workers


def test_what_the_app_is_told(apache: Host) -> None:
    answer = apache.get("/health/a%2Fb%3F%20c")
    assert answer.status == 404
    assert "requested URL" not in answer.text, "an encoded slash is the app's to judge"
    told = json.loads(
        apache.get(
            "/health/?tell=1&x=%2F",
            X_Forwarded_For="6.6.6.6",
            X_Forwarded_Proto="https",
            X_Real_IP="6.6.6.6",
        ).text
    )
    assert told["Host"] == "localhost"
    assert told["X-Forwarded-Proto"] == "http"
    us = apache.shell("tail -n 1 /var/log/apache2/access.log").split()[0]
    assert told["X-Forwarded-For"] == told["X-Real-Ip"] == us
    assert told["path"] == "/health/?tell=1&x=%2F"


def test_what_the_app_says_passes_as_it_is(apache: Host) -> None:
    for status in (500, 502, 503, 504):
        answer = apache.get(f"/health/?status={status}")
        assert (answer.status, answer.text) == (status, "ok")


def test_a_body_that_is_too_large(apache: Host) -> None:
    script = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 80)
try: connection.request("POST", "/shows/new/", b"x" * int(sys.argv[1]), {"Host": "localhost"})
except OSError: pass  # it was answered before all was sent
print(connection.getresponse().status)
"""
    for size, status in ((1, "403"), (20 * 2**20 + 1, "413")):
        assert apache.run(["python3", "-c", script, str(size)]).stdout.strip() == status


def test_an_upload_is_shown_and_never_run(apache: Host) -> None:
    media = f"{HOME}/shared/media"
    apache.shell(
        f"cd {media}; echo '<p>' >x.html; echo '<?php' >x.php; echo x >/tmp/foreign;"
        "ln -s x.html own; ln -s /etc/passwd link; chown -h playbill:playbill x.* own link"
    )
    page = apache.get("/media/x.html")
    assert (page.status, page.text) == (200, "<p>\n")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in page.headers["content-security-policy"]
    assert apache.get("/media/x.php").text == "<?php\n"
    assert apache.get("/media/own").status == 403, "nor to a file beside it"
    assert apache.get("/media/link").status == 403
    # The folder itself is in a place where the app can put a link.
    apache.shell(f"mv {media} {media}.real; ln -s /etc {media}; chown -h playbill {media}")
    assert apache.get("/media/passwd").status == 403
    apache.shell(f"rm {media}; mv {media}.real {media}")
    assert apache.get("/media/").status in (403, 404)
    assert apache.get("/media/none.png").status == 404


def test_maintenance_needs_no_reload(apache: Host) -> None:
    css = stylesheet(apache)
    apache.shell(f"touch {HOME}/maintenance")
    answer = apache.get("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert "Back in a moment" in answer.text
    assert apache.get(css).status == 200
    assert apache.get("/media/x.html").status == 200
    assert apache.get("/", "wiki.test").status == 200
    apache.shell(f"rm {HOME}/maintenance")
    assert apache.get("/").status == 200


def test_a_release_that_is_not_there_is_a_503(apache: Host) -> None:
    """And it is tried again at the very next request."""
    number = serving(apache)
    apache.shell(f"systemctl stop playbill@{number}")
    answer = apache.get("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert "Back in a moment" in answer.text
    apache.shell(f"systemctl start playbill@{number}")
    assert apache.get("/").status == 200
    apache.shell(f"systemctl stop playbill@{number}; rm /run/playbill/current.sock")
    apache.run(["python3", "-c", DYING.format(stage="/run/playbill/current.sock")])
    for _ in range(2):
        answer = apache.get("/")
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    apache.shell(
        "rm /run/playbill/current.sock; systemd-tmpfiles --create;"
        f"systemctl start playbill@{number}"
    )
    assert serving(apache) == number


#: a release that dies while it is asked
DYING = """
import os, socket
listening = socket.socket(socket.AF_UNIX)
listening.bind("{stage}")
os.chmod("{stage}", 0o777)
listening.listen()
if os.fork() == 0:
    os.setsid()
    for number in range(3): os.dup2(os.open(os.devnull, os.O_RDWR), number)
    for _ in range(2):
        connection, _ = listening.accept()
        connection.recv(1000)
        connection.close()
"""


def test_a_crash_at_import_never_serves(apache: Host, playbill: Example) -> None:
    now = serving(apache)
    playbill.commit({"playbill/wsgi.py": FRIGHT}, "Stage fright")
    with Load(apache) as load:
        run = apache.playbook("deploy.yml", check=False)
    assert run.returncode != 0
    assert "RuntimeError: Stage fright" in run.stdout
    assert load.failures == 0, str(load)
    assert serving(apache) == now


def test_all_is_back_after_a_reboot(apache: Host, playbill: Example) -> None:
    now = serving(apache)
    apache.reboot()
    playbill.follow(apache)
    deadline = time.monotonic() + 15
    while apache.get("/health/").status != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert serving(apache) == now
    assert apache.get("/", "wiki.test").text == "A wiki\n"


def test_it_does_not_leave_others_behind(apache: Host) -> None:
    """To nginx, while Apache has other sites on that port: they would be gone."""
    configure(apache, app_web_server="nginx")
    run = apache.playbook("site.yml", "--check", check=False)
    assert "is that of apache2 with" in run.stdout
    assert apache.get("/health/").status == 200
    apache.shell("a2dissite --quiet wiki 000-default; systemctl reload apache2")


def test_a_host_moves_to_nginx(apache: Host) -> None:
    now = serving(apache)
    slow = partial(fault_of_a_slow_page, apache)
    with asking(partial(fault_of, apache)) as bad, asking(slow) as cut:
        apache.playbook("site.yml")
    assert not bad or bad[-1][0] - bad[0][0] < 1.5, bad
    assert cut == [], "what was begun is finished"
    assert serving(apache) == now
    assert apache.get("/").headers["server"] == "nginx"
    assert state(apache, "nginx") == "active enabled "
    assert state(apache, "apache2") == "inactive disabled "
    assert apache.shell("ls /etc/apache2/sites-enabled /etc/apache2/sites-available").split() == [
        "/etc/apache2/sites-available:",
        "000-default.conf",
        "default-ssl.conf",
        "wiki.conf",
        "/etc/apache2/sites-enabled:",
    ]


def test_one_that_cannot_start_gives_the_port_back(apache: Host) -> None:
    """Apache's configuration may be broken by somebody else, in a way that only a start finds."""
    configure(apache, app_web_server="apache_proxy")
    broken = "/etc/apache2/conf-enabled/broken.conf"
    apache.shell(f"echo 'Listen 203.0.113.1:99' >{broken}")
    run = apache.playbook("site.yml", check=False)
    assert "apache2 did not start" in run.stdout
    assert "203.0.113.1:99" in run.stdout
    assert apache.get("/health/").status == 200
    assert apache.get("/").headers["server"] == "nginx"
    assert state(apache, "nginx") == "active enabled "
    apache.shell(f"rm {broken}; systemctl reset-failed apache2")


def test_and_back_to_apache(apache: Host, playbill: Example) -> None:
    slow = partial(fault_of_a_slow_page, apache)
    with asking(partial(fault_of, apache)) as bad, asking(slow) as cut:
        apache.playbook("site.yml")
    assert not bad or bad[-1][0] - bad[0][0] < 1.5, bad
    assert cut == [], "what was begun is finished"
    assert state(apache, "nginx") == "inactive disabled "
    assert state(apache, "apache2") == "active enabled "
    assert apache.shell("ls /etc/nginx/conf.d /etc/nginx/sites-enabled").split() == [
        "/etc/nginx/conf.d:",
        "/etc/nginx/sites-enabled:",
    ]
    # Nobody else is there any more, and a name that no site has is refused.
    assert apache.get("/", "nobody.test").status == 421
    deploy(apache, playbill, "v3")
    assert apache.get("/").headers["server"] == "Apache"
