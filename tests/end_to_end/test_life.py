"""The life of releases on one host: under load, back and forth, through failures and a reboot.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from example import Example
from host import CHECKOUT, Host, Load, ansible_environment

from tests.end_to_end.releases import deploy, journal, stylesheet, version

pytestmark = pytest.mark.story

HOME = "/srv/playbill"


def serving(host: Host) -> int:
    """The release that answers, by its own word on the page; and by all that points at it."""
    page = host.get("/").text
    found = re.search(r'name="playbill-release" content="(\d+)"', page)
    assert found, page
    number = int(found[1])
    assert host.shell(f"readlink {HOME}/current").strip() == f"releases/{number}"
    assert (
        host.shell("readlink -f /run/playbill/current.sock").strip()
        == f"/run/playbill/{number}.sock"
    )
    return number


def on_disk(host: Host) -> set[int]:
    """The releases that have a tree."""
    return {int(name) for name in host.shell(f"ls {HOME}/releases").split()}


def running(host: Host) -> set[int]:
    """The releases that have a service which is up, or on its way."""
    units = host.shell("systemctl list-units --plain --no-legend 'playbill@*'")
    return {int(number) for number in re.findall(r"playbill@(\d+)\.service", units)}


def wait_until_alone(host: Host, number: int) -> None:
    """Wait until release `number` alone runs; the ones that left have a second to drain."""
    for _ in range(100):
        if running(host) == {number}:
            return
        time.sleep(0.1)
    raise AssertionError(f"{running(host)} run, and only {number} should")


def rows(host: Host, query: str) -> list[str]:
    """The first column of what the app's database answers, asked beside the app."""
    script = (
        "import sqlite3, sys\n"
        f"found = sqlite3.connect('{HOME}/shared/db.sqlite3').execute(sys.argv[1])\n"
        "print(*[row[0] for row in found], sep='\\n')"
    )
    return host.run(["python3", "-c", script, query]).stdout.split("\n")[:-1]


def titles(host: Host) -> list[str]:
    """The shows in the database."""
    return rows(host, "select title from shows_show order by id")


def applied(host: Host) -> list[str]:
    """The migrations of the app `shows` that were applied."""
    return rows(host, "select name from django_migrations where app = 'shows' order by id")


def announce(host: Host, title: str) -> None:
    """Add a show through the site's own form, with an upload."""
    form = host.get("/shows/new/")
    cookie = form.headers["set-cookie"].split(";")[0]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
    assert token
    fields = {
        "csrfmiddlewaretoken": token[1],
        "title": title,
        "description": "A **play**.",
        "date": "2099-01-07",
    }
    boundary = "----greenroom"
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    body += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="poster"; filename="{title}.png"\r\n'
        f"Content-Type: image/png\r\n\r\nposter of {title}\r\n--{boundary}--\r\n"
    )
    connection = http.client.HTTPConnection(host.address, 80, timeout=10)
    connection.request(
        "POST",
        "/shows/new/",
        body.encode(),
        {
            "Host": "localhost",
            "Cookie": cookie,
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    assert connection.getresponse().status == 302


def test_nothing_serves_yet(host: Host) -> None:
    answer = host.get("/")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "10"
    assert "Back in a moment" in answer.text


@pytest.mark.usefixtures("playbill")
def test_first_deploy(host: Host) -> None:
    run = host.playbook("deploy.yml")
    assert "Release 1 (" in run.stdout
    assert "serves localhost." in run.stdout
    assert (serving(host), version(host)) == (1, "v1")
    assert host.get("/health/").text == "ok"
    assert applied(host) == ["0001_initial"]
    announce(host, "Hamlet")
    assert titles(host) == ["Hamlet"]
    poster = re.search(r'src="(/media/posters/[^"]+)"', host.get("/").text)
    assert poster
    assert host.get(poster[1]).text == "poster of Hamlet"


def test_static_files_are_served_as_they_should(host: Host) -> None:
    css = host.get(stylesheet(host), Accept_Encoding="gzip")
    assert css.status == 200
    assert css.headers["content-type"] == "text/css"
    assert css.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert css.headers["content-encoding"] == "gzip"
    plain = host.get("/static/playbill/playbill.css")
    assert plain.headers["cache-control"] == "public, max-age=3600"


def test_deploys_and_rollbacks_under_load(host: Host, playbill: Example) -> None:
    """Five deploys and two rollbacks in a row, and nobody notices."""
    old_css = stylesheet(host)
    with Load(host, pause=0) as load:
        deploy(host, playbill, "v2")
        assert (serving(host), version(host)) == (2, "v2")
        assert stylesheet(host) != old_css
        assert host.get(old_css).status == 200, "a page that is open still finds its CSS"
        announce(host, "Macbeth")
        deploy(host, playbill, "v3")
        host.playbook("rollback.yml")
        assert (serving(host), version(host)) == (2, "v2")
        deploy(host, playbill, "v6")
        assert serving(host) == 4
        for word in ("Dress Rehearsal", "Premiere"):
            playbill.commit(
                {"playbill/__init__.py": f'VERSION = "v6"\nVERSION_NAME = "{word}"\n'}, word
            )
            host.playbook("deploy.yml")
            assert word in host.get("/").text
        host.playbook("rollback.yml")
        assert serving(host) == 5
    assert load.failures == 0, str(load)
    assert load.requests > 10_000, str(load)
    assert titles(host) == ["Hamlet", "Macbeth"]
    assert applied(host) == ["0001_initial", "0002_show_stage", "0003_fill_stage"]
    wait_until_alone(host, 5)


@pytest.mark.parametrize(
    ("broken", "own_words"),
    [("v4", "The understudy forgot the lines"), ("v5", "The spotlight is broken")],
)
def test_a_broken_version_never_serves(host: Host, broken: str, own_words: str) -> None:
    before = serving(host)
    with Load(host) as load:
        run = host.playbook("deploy.yml", "-e", f"rev={broken}", check=False)
    assert run.returncode != 0
    assert own_words in run.stdout
    assert f"Release {before} is current, as before." in run.stdout.replace("\n        ", " ")
    assert load.failures == 0, str(load)
    assert serving(host) == before
    wait_until_alone(host, before)
    failed = max(journal(host))
    assert journal(host)[failed]["result"] == "failed"
    assert own_words in journal(host)[failed]["note"]


def test_a_crash_that_only_gunicorn_meets(host: Host, playbill: Example) -> None:
    """One that the check cannot see, since it comes in the worker alone."""
    before = serving(host)
    playbill.commit(
        {
            "playbill/wsgi.py": "import os, sys\n"
            'if "gunicorn" in sys.argv[0]:\n    raise RuntimeError("Stage fright")\n'
            "from django.core.wsgi import get_wsgi_application\n"
            'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "playbill.settings")\n'
            "application = get_wsgi_application()\n"
        },
        "Stage fright",
    )
    run = host.playbook("deploy.yml", check=False)
    assert run.returncode != 0
    assert "did not prove itself" in run.stdout
    assert "RuntimeError: Stage fright" in run.stdout
    assert serving(host) == before
    wait_until_alone(host, before)


def test_the_next_good_deploy_works(host: Host, playbill: Example) -> None:
    numbers = set(journal(host))
    deploy(host, playbill, "v6")
    assert serving(host) == max(numbers) + 1, "a number is never used twice"
    assert titles(host) == ["Hamlet", "Macbeth"]


def test_two_rollbacks_in_a_row_go_two_back(host: Host) -> None:
    """Never forward again, and past the one that was left as bad."""
    # On stage so far: 1, 2, 3 (left), 4, 5, 6 (left), and the last, whose way back is 5, 4, 2, 1.
    host.playbook("rollback.yml")
    assert serving(host) == 5
    host.playbook("rollback.yml")
    assert serving(host) == 4
    assert titles(host) == ["Hamlet", "Macbeth"]
    assert applied(host) == ["0001_initial", "0002_show_stage", "0003_fill_stage"]


def test_forward_again(host: Host) -> None:
    run = host.playbook("rollback.yml", "-e", "rev=5")
    assert "Went forward to release 5" in run.stdout
    assert serving(host) == 5
    assert journal(host)[5]["result"] == "good"


def test_a_tag_and_a_commit_name_a_release(host: Host, playbill: Example) -> None:
    run = host.playbook("rollback.yml", "-e", "rev=v2")
    assert "Went back to release 2" in run.stdout
    assert (serving(host), version(host)) == (2, "v2")
    host.playbook("rollback.yml", "-e", f"rev={playbill.git('rev-parse', 'v6')[:10]}")
    assert version(host) == "v6"


def test_times_that_were_changed_mean_nothing(host: Host) -> None:
    """As after a chown -R, or a restore from a backup: the journal knows the order."""
    # On stage is the newer release of v6. It replaced 5, which was left as bad; and 5 replaced 4.
    host.shell(
        f"find {HOME}/releases -depth -exec touch -h -d 2001-01-01 {{}} +\n"
        f"chown -R root:root {HOME}/releases/2\ntouch {HOME}/releases/2"
    )
    host.playbook("rollback.yml")
    assert serving(host) == 4


def test_a_failure_after_the_rename_is_taken_back(host: Host, playbill: Example) -> None:
    """The release answers in the green room, and not through the web server."""
    before = serving(host)
    playbill.commit(
        {
            "shows/health.py": "from django.http import HttpResponse\n\n\n"
            "def health(request):\n"
            "    # Only there it looks as if the visitor came by https.\n"
            '    return HttpResponse("ok", status=200 if request.is_secure() else 500)\n'
        },
        "Only healthy in the green room",
    )
    with Load(host) as load:
        run = host.playbook("deploy.yml", check=False)
    assert run.returncode != 0
    assert "answered in the green room, but through the web server" in run.stdout
    assert f"Release {before} is back on stage" in run.stdout.replace("\n        ", " ")
    assert load.failures == 0, str(load)
    assert serving(host) == before
    wait_until_alone(host, before)


def test_a_hook_that_fails_after_the_handover(
    host: Host, playbill: Example, tmp_path: Path
) -> None:
    before = serving(host)
    deploy_example = playbill.git("rev-parse", "v3")
    hook = tmp_path / "fail.yml"
    hook.write_text("- name: Refuse\n  ansible.builtin.fail:\n    msg: the hook says no\n")
    with Load(host) as load:
        run = host.playbook(
            "deploy.yml",
            "-e",
            f"rev={deploy_example}",
            "-e",
            json.dumps({"app_hooks": {"after_handover": str(hook)}}),
            check=False,
        )
    assert run.returncode != 0
    assert "the hook says no" in run.stdout
    assert load.failures == 0, str(load)
    assert serving(host) == before


def test_retention_keeps_what_is_needed(host: Host, playbill: Example) -> None:
    """From the oldest kept release on, more deploys than retention keeps."""
    playbill.set_branch("staging", "v6")  # without what the tests before broke
    oldest = min(on_disk(host))
    host.playbook("rollback.yml", "-e", f"rev={oldest}")
    assert serving(host) == oldest
    with Load(host) as load:
        for word in ("One", "Two", "Three"):
            playbill.commit(
                {"playbill/__init__.py": f'VERSION = "v6"\nVERSION_NAME = "{word}"\n'}, word
            )
            host.playbook("deploy.yml", "-e", "app_keep_releases=3")
            assert oldest in on_disk(host) or word == "Three", "the way back is kept"
    assert load.failures == 0, str(load)
    now = serving(host)
    wait_until_alone(host, now)
    host.playbook("deploy.yml", "-e", "app_keep_releases=3")  # nothing to do
    entries = journal(host)
    assert entries[now]["before"] in on_disk(host)
    assert len([n for n in on_disk(host) if entries[n]["result"] == "good"]) <= 4, (
        "3, and the one that was leaving"
    )
    needed = {
        host.shell(f"readlink {HOME}/releases/{n}/.venv").strip().rsplit("/", 1)[1]
        for n in on_disk(host)
    }
    assert set(host.shell(f"ls {HOME}/venvs").split()) == needed
    environments = {
        int(name)
        for name in re.findall(r"^(\d+)\.env$", host.shell("ls /etc/playbill"), re.MULTILINE)
    }
    assert environments == on_disk(host)
    assert host.get(stylesheet(host)).status == 200


def test_the_current_release_comes_up_after_a_reboot(host: Host, playbill: Example) -> None:
    now = serving(host)
    host.reboot()
    playbill.follow(host)  # it may have another address now
    for _ in range(100):
        if host.get("/").status == 200:
            break
        time.sleep(0.2)
    assert serving(host) == now
    assert running(host) == {now}


def start_deploy(host: Host, *arguments: str) -> subprocess.Popen[str]:
    """Start a deploy and return while it runs."""
    return subprocess.Popen(
        [
            CHECKOUT / ".venv/bin/ansible-playbook",
            "-i",
            host._inventories[-1],
            "deploy.yml",
            *arguments,
        ],
        cwd=CHECKOUT,
        env=ansible_environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_lock(host: Host) -> dict[str, Any]:
    """Wait until somebody deploys, and return who."""
    for _ in range(200):
        found = host.run(["cat", f"{HOME}/lock.json"], check=False).stdout
        if found:
            return dict(json.loads(found))
        time.sleep(0.05)
    raise AssertionError("nobody took the lock")


def wait_for_building(host: Host) -> None:
    """Wait until a release is being made."""
    for _ in range(200):
        if any(entry["result"] == "building" for entry in journal(host).values()):
            return
        time.sleep(0.05)
    raise AssertionError("no release is being made")


def slow(tmp_path: Path) -> str:
    """Extra variables with a hook that takes its time in the middle of a deploy."""
    hook = tmp_path / "slow.yml"
    hook.write_text(
        "- name: Take your time\n"
        "  ansible.builtin.command: {argv: [sleep, '8']}\n"
        "  changed_when: false\n"
    )
    return json.dumps({"app_hooks": {"before_build": str(hook)}})


def test_two_deploys_at_once(host: Host, playbill: Example, tmp_path: Path) -> None:
    playbill.set_branch("staging", "v3")
    first = start_deploy(host, "-e", slow(tmp_path))
    holder = wait_for_lock(host)
    second = host.playbook("deploy.yml", check=False)
    assert second.returncode != 0
    assert f"{holder['by']} is at work here, since 0 min" in second.stdout.replace(
        "\n        ", " "
    )
    assert first.wait(timeout=120) == 0, first.stdout
    assert version(host) == "v3"
    assert host.run(["test", "-e", f"{HOME}/lock.json"], check=False).returncode == 1


def test_a_killed_controller(host: Host, playbill: Example, tmp_path: Path) -> None:
    """The next deploy just works: the lock of a run that is dead is taken over."""
    before = serving(host)
    playbill.set_branch("staging", "v6")
    killed = start_deploy(host, "-e", slow(tmp_path))
    wait_for_lock(host)
    wait_for_building(host)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert serving(host) == before
    host.playbook("deploy.yml")
    assert version(host) == "v6"
    assert titles(host) == ["Hamlet", "Macbeth"]


def test_status_is_a_table(host: Host) -> None:
    now = serving(host)
    table = host.playbook("status.yml").stdout
    assert re.search(rf"playbill on {host.container}: release {now} serves, healthy", table)
    assert re.search(
        rf"^  \*  {now} +[0-9a-f]{{10}} +\d+ \w+ +\S+@\S+ +serves +\w", table, re.MULTILINE
    )
    assert re.search(r"^     \d+ +[0-9a-f]{10} .* can be gone to ", table, re.MULTILINE)
