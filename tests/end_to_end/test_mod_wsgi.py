"""Releases in Apache itself: a host moves to mod_wsgi from nginx and gunicorn, and back in the end.

The tests of this module are one story on one host, told in their order. What Apache does in front
of the app, whoever runs it, is in test_apache.py.
"""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from example import Example
from host import Host, Load

from tests.end_to_end.releases import (
    FRIGHT,
    HOME,
    MIB,
    NASTY,
    check_life_under_load,
    configure,
    deploy,
    run_by_apache,
    serving,
    wait_until_up,
)
from tests.end_to_end.releases import running as run_by_gunicorn
from tests.end_to_end.releases import wait_until_alone_in_apache as wait_until_alone

pytestmark = [pytest.mark.extended, pytest.mark.story]

#: a health page that tells what it sees, waits, and takes memory, when asked
HEALTH = """
import logging
import os
import resource
import sys
import time

from django.http import HttpResponse, JsonResponse


def health(request):
    if "tell" in request.GET:
        return JsonResponse({
            "environment": dict(os.environ), "path": sys.path, "headers": dict(request.headers),
            "asked": request.get_full_path(), "here": os.getcwd(), "pid": os.getpid(),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
            "status": open("/proc/self/status").read(),
        })
    if "say" in request.GET:
        logging.error("logged")
        print("printed")
        request.META["wsgi.errors"].write("said\\n")
        os.write(1, b"written\\n")
    time.sleep(float(request.GET.get("sleep", "0")))
    return HttpResponse(str(len(b"x" * int(request.GET.get("take", "2")))))
"""


@pytest.fixture(scope="module")
def apache(host: Host, playbill: Example) -> Host:
    """A host that serves release 1 with nginx and gunicorn, and has been told to use Apache."""
    deploy(host, playbill, "v1")
    configure(host, app_web_server="apache", gunicorn_memory_max="3G", gunicorn_open_files=512)
    return host


def test_the_host_must_be_prepared_for_it(apache: Host) -> None:
    before = apache.checksum("/etc", HOME)
    run = apache.playbook("deploy.yml", check=False)
    assert "This host is not prepared to run playbill under mod_wsgi" in run.stdout
    assert apache.checksum("/etc", HOME) == before


def test_what_serves_goes_on_when_apache_takes_the_port(apache: Host) -> None:
    """Under gunicorn, since no release is changed by site.yml."""
    apache.playbook("site.yml")
    assert serving(apache) == 1
    assert apache.get("/").headers["server"] == "Apache"
    assert run_by_gunicorn(apache) == [1]
    assert apache.playbook("site.yml").recap[apache.container]["changed"] == 0


def test_a_deploy_moves_it_into_apache(apache: Host) -> None:
    with Load(apache, pause=0) as load:
        apache.playbook("deploy.yml")
        assert serving(apache) == 2
    assert load.failures == 0, str(load)
    assert list(run_by_apache(apache)) == [2]
    assert run_by_gunicorn(apache) == [], "nothing is served twice"
    assert apache.shell("find /etc/systemd/system -name 'playbill@*'") == ""


def test_deploys_and_a_rollback_under_load(apache: Host, playbill: Example) -> None:
    """And no reload, which ends what waits for an answer."""
    workers = apache.shell("pgrep -u www-data apache2")
    check_life_under_load(apache, playbill, wait_until_alone)
    assert apache.shell("pgrep -u www-data apache2") == workers


def test_what_the_app_is_told(apache: Host, playbill: Example) -> None:
    playbill.commit({"shows/health.py": HEALTH}, "Tell what is asked")
    apache.playbook("deploy.yml")
    told = json.loads(
        apache.get(
            "/health/?tell=1&x=%2F",
            X_Forwarded_For="6.6.6.6",
            X_Forwarded_Proto="https",
            Authorization="Basic YTpi",
        ).text
    )
    assert {name: told["environment"][name] for name in NASTY} == NASTY
    assert [name for name in told["environment"] if name.startswith("APACHE")] == []
    assert (told["environment"]["USER"], told["here"]) == ("playbill", tree(apache))
    assert [path for path in told["path"] if "dist-packages" in path] == []
    assert told["asked"] == "/health/?tell=1&x=%2F"
    headers = told["headers"]
    assert (headers["X-Forwarded-Proto"], headers["Authorization"]) == ("http", "Basic YTpi")
    assert headers["X-Forwarded-For"] != "6.6.6.6"
    assert apache.get("/health/a%2Fb").status == 404
    assert told["files"] == [512, 512]
    assert re.search(r"^NoNewPrivs:\s+1$", told["status"], re.MULTILINE)
    assert re.search(r"^Umask:\s+0027$", told["status"], re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", told["status"], re.MULTILINE)


def tree(host: Host) -> str:
    """Where the release on stage is."""
    return f"{HOME}/releases/{serving(host)}"


def test_what_the_app_says_is_in_its_log(apache: Host) -> None:
    apache.get("/health/?say=1")
    said = apache.shell("tail -n 5 /var/log/apache2/playbill-[ab].log")
    assert {"printed", "said", "written"} <= set(said.splitlines())
    assert "logged" in said


def test_memory_has_a_limit(apache: Host) -> None:
    """Of 3 GiB for three processes, each has one."""
    assert apache.get(f"/health/?take={200 * MIB}").text == str(200 * MIB)
    assert apache.get(f"/health/?take={1100 * MIB}").status == 500
    assert apache.get("/health/").status == 200


def test_static_files_media_and_maintenance(apache: Host) -> None:
    found = re.search(
        r'href="(/static/playbill/playbill\.[0-9a-f]{12}\.css)"', apache.get("/").text
    )
    assert found
    css = apache.get(found[1])
    assert css.headers["cache-control"] == "public, max-age=31536000, immutable"
    apache.run(
        ["install", "-o", "playbill", "/dev/stdin", f"{HOME}/shared/media/x.py"], stdin="x\n"
    )
    assert apache.get("/media/x.py").text == "x\n", "nothing is run there"
    apache.shell(f"touch {HOME}/maintenance")
    answer = apache.get("/")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert "Back in a moment" in answer.text
    apache.shell(f"rm {HOME}/maintenance")
    assert apache.get("/").status == 200


def test_a_long_scene_is_finished(apache: Host, playbill: Example) -> None:
    """A request that runs while its release leaves gets its answer."""
    now = serving(apache)
    playbill.commit({"note.txt": "A note"}, "Add a note")
    with ThreadPoolExecutor() as pool:
        while_away = pool.submit(apache.get, "/health/?sleep=12", timeout=60)
        apache.playbook("deploy.yml")
        assert serving(apache) == now + 1
        assert while_away.result().status == 200
    wait_until_alone(apache, now + 1)


@pytest.mark.parametrize(
    ("fright", "said"),
    [
        (FRIGHT, "RuntimeError: Stage fright"),
        (FRIGHT.replace('raise RuntimeError("Stage fright")', '__import__("os")._exit(3)'), ""),
    ],
)
def test_a_crash_at_import_never_serves(
    apache: Host, playbill: Example, fright: str, said: str
) -> None:
    now = serving(apache)
    before = playbill.git("rev-parse", "HEAD")
    playbill.commit({"playbill/wsgi.py": fright}, "Stage fright")
    with Load(apache) as load:
        run = apache.playbook("deploy.yml", check=False)
    playbill.set_branch("staging", before)
    assert run.returncode != 0
    assert said in run.stdout
    assert 'failed at "Start in the green room' in " ".join(run.stdout.split())
    assert f"Release {now} is current, as before." in run.stdout.replace("\n        ", " ")
    assert load.failures == 0, str(load)
    wait_until_alone(apache, now)


def test_what_is_killed_comes_back(apache: Host) -> None:
    now = serving(apache)
    before = run_by_apache(apache)[now]
    apache.run(["kill", "-KILL", *map(str, before)])
    wait_until_up(apache)
    for _ in range(100):
        if len(after := run_by_apache(apache).get(now, [])) == len(before):
            break
        time.sleep(0.1)
    assert len(after) == 3
    assert not set(after) & set(before)


def test_a_release_that_is_not_there_is_a_503(apache: Host) -> None:
    """As when somebody took its way to the door by hand; nobody else answers in its place."""
    now = serving(apache)
    way = apache.shell("ls -d /etc/playbill/door-?").strip()
    apache.shell(f"rm {way}")
    for _ in range(600):
        if not run_by_apache(apache):
            break
        time.sleep(0.1)
    answer = apache.get("/")
    apache.shell(f"ln -s {HOME}/releases/{now} {way}")
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert "Back in a moment" in answer.text
    wait_until_up(apache)
    assert serving(apache) == now


def test_status_says_how_it_is(apache: Host) -> None:
    assert f"release {serving(apache)} serves, healthy" in apache.playbook("status.yml").stdout


def test_nobody_reaches_the_green_room_from_outside(apache: Host) -> None:
    addresses = json.loads(apache.shell("cat /etc/playbill/doors.json"))["addresses"]
    assert all(address.startswith("127.") for address in addresses.values())
    assert len(set(addresses.values())) == 2
    assert apache.shell("cat /var/log/apache2/playbill-a.log", user="nobody", check=False) == ""


def test_the_current_release_alone_comes_up_after_a_reboot(apache: Host, playbill: Example) -> None:
    """One that was still in the green room does not."""
    now = serving(apache)
    other = (
        "b"
        if apache.run(["test", "-L", "/etc/playbill/door-a"], check=False).returncode == 0
        else "a"
    )
    apache.shell(
        f"ln -s {HOME}/releases/1 /run/greenroom/playbill-door-{other};"
        f"ln -s /run/greenroom/playbill-door-{other} /etc/playbill/door-{other}"
    )
    apache.reboot()
    playbill.follow(apache)
    wait_until_up(apache)
    assert serving(apache) == now
    wait_until_alone(apache, now)


def test_one_that_does_not_listen_is_ended(apache: Host, playbill: Example) -> None:
    """Its processes are asked to leave; when their time is over they are killed."""
    before = playbill.git("rev-parse", "HEAD")
    deaf = (
        HEALTH
        + """
import ctypes
ctypes.CDLL(None).signal(15, ctypes.c_void_p(1))
"""
    )
    playbill.commit({"shows/health.py": deaf}, "Listen to nobody")
    configure(apache, app_web_server="apache", gunicorn_graceful_timeout=3)
    apache.playbook("site.yml")
    apache.playbook("deploy.yml")
    now = serving(apache)
    playbill.set_branch("staging", before)
    for more in (1, 2):
        apache.playbook("deploy.yml")
        playbill.commit({"note.txt": f"{more}"}, "Add a note")
        assert serving(apache) == now + more
    assert now not in run_by_apache(apache)


def test_a_host_moves_back(apache: Host, playbill: Example) -> None:
    now = serving(apache)
    configure(apache, app_web_server="nginx")
    apache.playbook("site.yml")
    assert apache.get("/").headers["server"] == "nginx"
    assert serving(apache) == now
    assert run_by_gunicorn(apache) == [now]
    assert run_by_apache(apache) == {}
    with Load(apache) as load:
        deploy(apache, playbill, "v6")
        apache.playbook("rollback.yml")
        assert serving(apache) == now
    assert load.failures == 0, str(load)
    left = [
        "/etc/playbill/door*",
        "/etc/apache2/*/*playbill*",
        f"{HOME}/releases/*/.greenroom/door",
    ]
    assert apache.shell(f"ls -d {' '.join(left)}", check=False) == ""
