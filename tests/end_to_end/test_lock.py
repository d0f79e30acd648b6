"""One run at a time works on an app, whatever becomes of a controller or of a connection.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from example import Example
from host import Host
from moments import KILL_THE_CONTROLLER, Running, at, elsewhere, one_line, run, wait_until

pytestmark = pytest.mark.story

HOME = "/srv/playbill"
LOCK = f"{HOME}/lock.json"
STEP = f"{LOCK}.step"
TAKEN = "Check the host and take the lock"
MIGRATE = "Collect static files, run checks"

MIGRATION = """\
import time
from pathlib import Path

from django.db import migrations


def rehearse(apps, schema_editor):
    with Path("/srv/playbill/shared/media/rehearsals").open("a") as file:
        print("rehearsal {name} begins", file=file, flush=True)
        time.sleep({seconds})
        print("rehearsal {name} ends", file=file)


class Migration(migrations.Migration):
    atomic = False  # others can write meanwhile
    dependencies = [("shows", "{after}")]
    operations = [migrations.RunPython(rehearse, migrations.RunPython.noop)]
"""


def long_migration(example: Example, name: str, after: str, seconds: int) -> None:
    """Commit a migration that takes its time, and says when it begins and when it ends."""
    example.commit(
        {f"shows/migrations/{name}.py": MIGRATION.format(name=name, after=after, seconds=seconds)},
        f"Rehearse {name}",
    )


def change(example: Example, word: str) -> None:
    """Commit a change that shows on the page."""
    example.commit({"playbill/__init__.py": f'VERSION = "v1"\nVERSION_NAME = "{word}"\n'}, word)


def is_locked(host: Host) -> bool:
    """Whether somebody holds the lock."""
    return host.run(["test", "-e", LOCK], check=False).returncode == 0


def serves(host: Host, word: str) -> bool:
    """Whether the change is on the page, and nobody holds the lock."""
    return word in host.get("/").text and not is_locked(host)


def rehearsals(host: Host) -> str:
    """What the long migrations said."""
    return host.shell(f"cat {HOME}/shared/media/rehearsals")


def hook(tmp_path: Path, *argv: str) -> str:
    """Extra variables with a hook before the handover that runs a command on the host."""
    path = tmp_path / "hook.yml"
    task = {"name": "Run it", "ansible.builtin.command": {"argv": argv}, "changed_when": False}
    path.write_text(json.dumps([task]))
    return json.dumps({"app_hooks": {"before_handover": str(path)}})


def test_two_deploys_at_the_same_moment(host: Host, playbill: Example) -> None:
    host.playbook("deploy.yml")
    change(playbill, "Both")
    runs = [Running.start(host, "deploy.yml"), Running.start(host, "deploy.yml")]
    ended = sorted((each.end() for each in runs), key=lambda each: each.returncode)
    assert ended[0].returncode == 0, ended[0].output
    assert ended[1].returncode != 0, ended[1].output
    assert "is at work here, since 0 min" in one_line(ended[1])
    assert "-e wait=600" in one_line(ended[1])
    assert serves(host, "Both")


def test_nothing_that_goes_on_running_holds_it(host: Host) -> None:
    """No release, nor anything else that a step started, has a hand on the file that steps lock."""
    assert host.shell(f"cat {STEP}") == ""
    script = f"find /proc/[0-9]*/fd -lname '{STEP}' 2>/dev/null || true"
    assert host.shell(script) == ""
    marked = "grep -lz '^GREENROOM_RUN=.' /proc/[0-9]*/environ 2>/dev/null || true"
    assert host.shell(marked) == ""


def test_a_deploy_that_waits_for_a_rollback(host: Host, playbill: Example, tmp_path: Path) -> None:
    change(playbill, "After")
    first = Running.start(host, "rollback.yml", "-e", hook(tmp_path, "sleep", "6"))
    wait_until(host, f"cat {LOCK}")
    refused = host.playbook("deploy.yml", check=False)
    assert refused.returncode != 0
    assert "is at work here" in one_line(refused)
    waited = run(host, "deploy.yml", "-e", "wait=60")
    assert waited.returncode == 0, waited.output
    assert "Waiting for the run of " in waited.output
    assert first.end().returncode == 0
    assert serves(host, "After")


def test_a_wait_that_is_too_short(host: Host, tmp_path: Path) -> None:
    first = Running.start(host, "rollback.yml", "-e", hook(tmp_path, "sleep", "8"))
    wait_until(host, f"cat {LOCK}")
    refused = host.playbook("rollback.yml", "-e", "wait=2", check=False)
    assert "is at work here" in one_line(refused)
    assert first.end().returncode == 0
    host.playbook("deploy.yml")


@pytest.mark.parametrize("wait", ["10m", "-1", "1.5"])
def test_a_wait_that_is_none(host: Host, wait: str) -> None:
    refused = host.playbook("deploy.yml", "-e", f"wait={wait}", check=False)
    said = f"wait is '{wait}'; it should be a number of seconds, 0 to 86400."
    assert said in one_line(refused)


def test_a_migration_that_a_killed_controller_left_working(host: Host, playbill: Example) -> None:
    """Nobody works beside it. The next deploy says what works, or waits for it to end."""
    long_migration(playbill, "0002_long", "0001_initial", 35)
    killed = Running.start(host, "deploy.yml")
    wait_until(host, f"grep begins {HOME}/shared/media/rehearsals 2>/dev/null")
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.end()
    refused = host.playbook("deploy.yml", check=False)
    assert re.search(
        r"The last run, of \S+, is over or out of reach, but it still works on the host: "
        r"migrate, release \d+, since \d min \([\d:]+ UTC\)\. Try again when that has "
        r"ended, or have it waited for: -e wait=600\. Its processes: .*python.* \(\d+\).* "
        r"If they never end: kill -9 \d+",
        one_line(refused),
    ), refused.output
    assert "ends" not in rehearsals(host), "it was still at work"
    waited = run(host, "deploy.yml", "-e", "wait=120")
    assert waited.returncode == 0, waited.output
    assert "Waiting for the run of " in waited.output
    # The release that applied it never served: it was taken back, and applied for the next one.
    assert rehearsals(host) == "rehearsal 0002_long begins\nrehearsal 0002_long ends\n" * 2
    assert not is_locked(host)


def test_what_hangs_for_ever_can_be_ended(host: Host, playbill: Example) -> None:
    """The message says how."""
    before = host.shell(f"readlink {HOME}/current")
    long_migration(playbill, "0003_endless", "0002_long", 3600)
    cut = Running.start(host, "deploy.yml")
    wait_until(host, f"grep 0003_endless {HOME}/shared/media/rehearsals")
    host.cut_connections()
    ended = cut.end()
    assert "UNREACHABLE" in ended.output
    assert host.shell(f"readlink {HOME}/current") == before
    playbill.commit(
        {
            "shows/migrations/0003_endless.py": MIGRATION.format(
                name="x", after="0002_long", seconds=0
            )
        },
        "Rehearse no more",
    )
    refused = one_line(host.playbook("deploy.yml", check=False))
    found = re.search(r"If they never end: (kill -9 [\d ]+\d)", refused)
    assert found, refused
    host.shell(found[1])
    host.playbook("deploy.yml")
    assert "rehearsal x ends" in rehearsals(host)


def test_a_hook_that_a_killed_controller_left_working(
    host: Host, playbill: Example, tmp_path: Path
) -> None:
    """It is a task of the user's own, and not known to be a step."""
    change(playbill, "Hooked")
    killed = Running.start(host, "deploy.yml", "-e", hook(tmp_path, "sleep", "40"))
    wait_until(host, "pgrep --full --exact 'sleep 40' || true")
    os.killpg(killed.process.pid, signal.SIGKILL)
    killed.end()
    refused = one_line(host.playbook("deploy.yml", check=False))
    assert re.search(
        r"still works on the host: something that it started, since .* sleep \(\d+\)", refused
    )
    waited = run(host, "deploy.yml", "-e", "wait=60")
    assert waited.returncode == 0, waited.output
    assert serves(host, "Hooked")


def test_two_people_on_two_machines(host: Host, playbill: Example, tmp_path: Path) -> None:
    """One machine cannot know what became of a run of the other; it says what it does know."""
    bob = elsewhere(tmp_path / "elsewhere")
    change(playbill, "Ours")
    killed = run(host, "deploy.yml", env=at("after", "Create release", KILL_THE_CONTROLLER))
    assert killed.returncode == -signal.SIGKILL
    theirs = one_line(host.playbook("deploy.yml", check=False, env=bob))
    holder = json.loads(host.shell(f"cat {LOCK}"))
    assert f"{holder['by']} is at work here" in theirs
    assert f"If it is dead: rm {LOCK}" in theirs
    host.playbook("deploy.yml")  # the machine that it was can see it
    assert serves(host, "Ours")
    change(playbill, "Theirs")
    host.playbook("deploy.yml", env=bob)
    assert serves(host, "Theirs")
    entries = json.loads(host.shell(f"cat {HOME}/journal.json"))["releases"]
    assert entries[-1]["by"].startswith("bob@")


def test_a_controller_that_comes_back_from_a_suspend(
    host: Host, playbill: Example, tmp_path: Path
) -> None:
    """Its lease was over, and somebody else has deployed meanwhile: it changes nothing."""
    change(playbill, "Suspended")
    asleep = Running.start(
        host, "deploy.yml", env=at("after", "Create release", ["sh", "-c", "kill -STOP 0"])
    )
    wait_until(host, f"grep building {HOME}/journal.json")
    wait_until(host, f"test -s {STEP} || echo idle")
    host.shell(f"touch -d '2 hours ago' {LOCK}")
    change(playbill, "Awake")
    host.playbook("deploy.yml", env=elsewhere(tmp_path / "elsewhere"))
    assert serves(host, "Awake")
    before = host.listing(f"{HOME}/journal.json", f"{HOME}/current", f"{HOME}/releases")
    os.killpg(asleep.process.pid, signal.SIGCONT)
    ended = asleep.end()
    assert ended.returncode != 0
    assert f"This run has lost the lock {LOCK}: nobody has it. It stops here" in one_line(ended)
    after = host.listing(f"{HOME}/journal.json", f"{HOME}/current", f"{HOME}/releases")
    assert after == before
    assert serves(host, "Awake")
