"""The life of releases as the playbooks have it, one module after the other.

Journal, lock, trees and links are real; the services are only said to run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _prove
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._http import Answer
from ansible_collections.greenroom.django.plugins.module_utils._journal import Journal
from ansible_collections.greenroom.django.plugins.module_utils._maintenance import (
    is_on,
    switch_on,
)
from ansible_collections.greenroom.django.plugins.module_utils._recovery import begin_change
from ansible_collections.greenroom.django.plugins.module_utils._source_control import git
from ansible_collections.greenroom.django.plugins.modules import (
    create_release,
    django_prepare,
    find_release,
    hand_over,
    lock,
    record,
    record_tests,
    revert,
    start,
    status,
    unlock,
)

from tests.unit.conftest import defaults_of, give_virtualenv
from tests.unit.repository import Repository

MODULES = (
    revert,
    lock,
    find_release,
    hand_over,
    django_prepare,
    start,
    record,
    record_tests,
    create_release,
    status,
    unlock,
)
MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_.settings")\n'


class Services:
    """Stands in for a service manager, and remembers what it was told."""

    def __init__(self) -> None:
        self.up: set[int] = set()
        self.at_boot: set[int] = set()
        self.deaths = ""
        self.prepared = True

    def is_prepared(self) -> bool:
        return self.prepared

    def start(self, number: int) -> None:
        self.up.add(number)

    def stop(self, number: int) -> None:
        self.up.discard(number)

    def enable(self, number: int) -> None:
        self.at_boot.add(number)

    def disable(self, number: int) -> None:
        self.at_boot.discard(number)

    def is_active(self, number: int) -> bool:
        return number in self.up

    def green_room(self, number: int) -> str:
        return f"/run/blog/{number}.sock"

    def running(self) -> list[int]:
        return sorted(self.up)

    def enabled(self) -> list[int]:
        return sorted(self.at_boot)

    def log(self, number: int) -> str:
        return f"the log of {number}"

    def log_since(self, number: int, since: float) -> str:
        assert time.time() - 20 < since < time.time()
        return self.deaths if number in self.up else ""

    def state(self, number: int) -> str:
        return "active" if number in self.up else "inactive"


class Host:
    """A host with an app, and the playbooks' steps on it."""

    def __init__(self, app: App, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.app, self.services, self.answer = app, Services(), Answer(200, "OK")
        self.repository = Repository(folder / "work", Path(app.build, "repository"))
        files = {"manage.py": MANAGE, "site_/settings.py": "", "data/seed": "rows"}
        self.repository.commit("Start", files)
        self.runs, self.fetches = 0, False
        for module in MODULES:
            patch.setattr(module, "App", lambda _: app)
            if hasattr(module, "service_of"):
                patch.setattr(module, "service_of", lambda *_: self.services)
        patch.setattr(lock, "check_host", lambda *_: None)
        patch.setattr(lock, "check_sandbox", lambda: None)
        patch.setattr(git, "is_running", lambda *_: self.fetches)  # others do, on this machine
        patch.setattr(hand_over, "ask", lambda *_, **__: self.answer)
        patch.setattr(_prove, "ask", lambda *_, **__: self.answer)
        patch.setattr(time, "sleep", lambda _: None)

    def begin(self, check: bool = False, dead: str | None = None) -> dict[str, Any]:
        self.runs += 1
        params = defaults_of(lock)
        params |= {"app": "blog", "token": f"run-{self.runs}", "by": "ada@laptop", "dead": dead}
        return lock.take_lock(params, check)

    def make(
        self, begun: dict[str, Any], rev: str = "live", check: bool = False, **more: Any
    ) -> dict[str, Any]:
        self.repository.fetch()
        params = defaults_of(create_release)
        params |= {"app": "blog", "rev": rev, "by": begun["by"], "number": begun["last_number"] + 1}
        params |= {"environment": 'A="1"\n', "shared_paths": ["data/", "db.sqlite3"]}
        params |= more
        made = create_release.create_release(params, check)
        if made["needed"] and not check:
            give_virtualenv(self.app, made["number"])
            given = {**defaults_of(django_prepare), "app": "blog", "release": made["number"]}
            django_prepare.django_prepare({**given, "steps": []}, False)  # it is sealed
        return made

    def prove(self, number: int) -> None:
        params = {**defaults_of(start), "app": "blog", "release": number, "host": "a.example"}
        start.start({**params, "service_manager": "systemd"}, False)

    def take_stage(self, number: int, check: bool = False) -> dict[str, Any]:
        if not check:
            self.services.start(number)
        params = {"app": "blog", "release": number, "host": "a.example", "path": "/", "status": 200}
        params |= {"port": 80}
        return hand_over.hand_over({**params, "service_manager": "systemd"}, check)

    def record(
        self, begun: dict[str, Any], number: int, action: str, keep: int = 5, check: bool = False
    ) -> dict[str, Any]:
        params = {"app": "blog", "release": number, "before": begun["serving"], "action": action}
        params |= {"by": begun["by"], "holder": begun["token"], "keep": keep}
        return record.record({**params, "service_manager": "systemd"}, check)

    def abandon(
        self, begun: dict[str, Any], number: int, action: str = "deploy", note: str = "it broke"
    ) -> dict[str, Any]:
        params = {"app": "blog", "release": number, "before": begun["serving"], "action": action}
        params |= {"holder": begun["token"], "note": note, "service_manager": "systemd"}
        return revert.revert(params, False)

    def choose(self, rev: str = "") -> dict[str, Any]:
        params = {"app": "blog", "rev": rev, "source_control": "git"}
        return find_release.find_release(params, False)

    def deploy(self, message: str | None = "Change", keep: int = 5) -> int:
        if message:
            self.repository.commit(message, {})
        begun = self.begin()
        made = self.make(begun)
        if made["needed"]:
            self.take_stage(made["number"])
            self.record(begun, made["number"], "deploy", keep)
        else:
            unlock.unlock({"app": "blog", "holder": begun["token"]}, False)
        return int(made["number"])

    def roll_back(self, rev: str = "") -> tuple[int, str]:
        begun = self.begin()
        try:
            chosen = self.choose(rev)
        except GreenroomError:
            self.abandon(begun, 0, "rollback")
            raise
        self.take_stage(chosen["number"])
        self.record(begun, chosen["number"], "rollback")
        return chosen["number"], chosen["direction"]

    def status(self) -> dict[str, Any]:
        params = {"app": "blog", "host": "a.example", "path": "/", "status": 200}
        params |= {"databases": ["default"]}
        return status.status({**params, "service_manager": "systemd"}, False)

    def journal(self) -> Journal:
        return Journal.read(self.app.journal)

    def results(self) -> dict[int, str]:
        return {e["number"]: e["result"] for e in Journal.read(self.app.journal).entries}

    def on_disk(self) -> list[int]:
        return sorted(int(name) for name in os.listdir(self.app.releases))

    def snapshot(self) -> dict[str, Any]:
        """All that is on the disk, by path: times, contents and targets."""
        found = {}
        for folder, folders, names in os.walk(os.path.join(self.app.home, "../..")):
            for name in folders + names:
                path = os.path.join(folder, name)
                if "/work" not in path and not path.endswith(("lock.json.turn", "lock.json.step")):
                    state = os.lstat(path)
                    found[path] = (state.st_ino, state.st_mode, state.st_size, state.st_mtime_ns)
        return found


@pytest.fixture
def host(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    host = Host(app, tmp_path, monkeypatch)
    yield host
    # Whatever happened: what is on stage is whole, runs, comes up at boot; nobody is locked out.
    serving = app.serving()
    if serving is not None:
        assert os.path.isfile(os.path.join(app.current, "manage.py"))
        assert os.path.isfile(app.environment(serving))
        assert (host.services.up, host.services.at_boot) == ({serving}, {serving})
    assert not os.path.exists(app.lock)


def test_deploys(host: Host) -> None:
    assert [host.deploy(f"Change {n}") for n in (1, 2, 3)] == [1, 2, 3]
    assert host.app.serving() == 3
    entries = Journal.read(host.app.journal).entries
    seen = [{k: e[k] for k in ("number", "subject", "before", "result", "by")} for e in entries]
    assert seen == [
        {"number": n, "subject": f"Change {n}", "before": b, "result": "good", "by": "ada@laptop"}
        for n, b in ((1, None), (2, 1), (3, 2))
    ]


def test_the_same_again_is_nothing_to_do(host: Host) -> None:
    host.deploy()
    before = host.snapshot()
    assert host.deploy(message=None) == 1
    assert host.snapshot().keys() == before.keys()
    assert host.results() == {1: "good"}


def test_the_same_again_is_made_where_another_host_lacks_it(host: Host) -> None:
    host.deploy()
    begun = host.begin()
    made = host.make(begun, number=5, force=True)
    assert (made["number"], made["needed"]) == (5, True)
    host.take_stage(5)
    host.record(begun, 5, "deploy")
    assert host.results() == {1: "good", 5: "good"}


def test_what_failed_here_and_not_on_other_hosts_is_made_again(host: Host) -> None:
    """A host that died in a roll joins the others, which serve that number."""
    host.deploy()
    host.repository.commit("Change", {})
    host.make(host.begin())
    begun = host.begin(dead="run-2")
    assert host.results() == {1: "good", 2: "failed"}
    host.make(begun, number=2)
    host.take_stage(2)
    host.record(begun, 2, "deploy")
    assert host.results() == {1: "good", 2: "good"}
    with pytest.raises(GreenroomError, match="not a new number"):
        host.make(begun := host.begin(), number=2, force=True)
    host.abandon(begun, 0)


def test_what_serves_and_does_not_run_is_made_again(host: Host) -> None:
    host.deploy()
    host.services.up.clear()
    assert host.deploy(message=None) == 2


@pytest.mark.parametrize("undone", [True, False])
def test_a_database_that_could_not_be_put_back_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    host.deploy()
    host.repository.commit("Change", {})
    begun = host.begin()
    number = host.make(begun)["number"]
    journal = Journal.read(host.app.journal)
    journal.get(number)["migrations"] = {"waiting": {"default": ["shop.2"]}, "undone": undone}
    journal.write()
    monkeypatch.setattr(revert, "undo", lambda *_: "What became of it.")
    found = host.abandon(begun, number)
    assert (found["database"], found["fits"]) == ("What became of it.", undone)


def test_a_database_that_could_not_be_undone_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a rollback left it, and the site stays in maintenance."""

    def fail(*_: Any) -> str:
        raise GreenroomError("It is half reversed.")

    host.deploy()
    begun = host.begin()
    monkeypatch.setattr(revert, "end_change", fail)
    found = host.abandon(begun, 0, "rollback")
    assert (found["database"], found["fits"]) == ("It is half reversed.", False)


def test_a_dry_run_changes_nothing_and_says_what_would(host: Host) -> None:
    host.deploy("Old")
    host.repository.commit("New", {})
    host.repository.fetch()
    before = host.snapshot()
    begun = host.begin(check=True)
    made = host.make(begun, check=True)
    served, commit = (Journal.read(host.app.journal).get(1)["revision"], made["revision"])
    assert made == {
        "number": 2,
        "needed": True,
        "changed": True,
        "path": host.app.release(2),
        "meant": "",
        "revision": host.repository.git("rev-parse", "HEAD").strip(),
        "commits": made["commits"],
        "diff": {
            "before": f"release 1 of {served[:12]}\n",
            "after": f"release 2 of {commit[:12]}\n  {made['commits'][0]}\n",
        },
    }
    assert [line.split(" ", 1)[1] for line in made["commits"]] == ["New"]
    assert host.take_stage(2, check=True)["changed"] is True
    assert host.record(begun, 2, "deploy", check=True) == {"changed": True}
    assert host.snapshot() == before


def test_two_rollbacks_go_two_back_and_then_there_is_nothing(host: Host) -> None:
    for _ in range(3):
        host.deploy()
    assert host.roll_back() == (2, "back")
    assert host.roll_back() == (1, "back")
    assert host.results() == {1: "good", 2: "bad", 3: "bad"}
    with pytest.raises(GreenroomError, match=r"^There is no release to go back to from 1\. Rel"):
        host.roll_back()
    assert host.app.serving() == 1


def test_forward_again_and_back_once_more(host: Host) -> None:
    for _ in range(3):
        host.deploy()
    host.roll_back()
    assert host.roll_back("3") == (3, "forward")
    assert host.results() == {1: "good", 2: "good", 3: "good"}
    assert host.roll_back() == (2, "back")


def test_the_next_deploy_after_a_rollback_goes_back_past_the_bad_one(host: Host) -> None:
    for _ in range(3):
        host.deploy()
    host.roll_back()
    assert host.deploy() == 4
    assert host.roll_back() == (2, "back")


def test_back_to_the_oldest_and_then_until_retention_bites(host: Host) -> None:
    for _ in range(3):
        host.deploy(keep=3)
    assert host.roll_back("1") == (1, "back")
    for number in (4, 5, 6):
        assert host.deploy(keep=3) == number
        assert host.app.serving() == number
    assert host.on_disk() == [4, 5, 6]
    assert host.roll_back() == (5, "back")
    assert host.roll_back() == (4, "back")


def test_times_of_folders_say_nothing(host: Host) -> None:
    for _ in range(3):
        host.deploy()
    for number, when in ((1, 3e9), (2, 1e9), (3, 2e9)):
        os.utime(host.app.release(number), (when, when))
    assert host.roll_back() == (2, "back")
    assert host.deploy(keep=2) == 4
    assert host.on_disk() == [2, 4]


def test_a_deploy_that_fails_before_the_handover(host: Host) -> None:
    host.deploy()
    host.repository.commit("Broken", {})
    begun = host.begin()
    number = host.make(begun)["number"]
    host.services.start(number)
    note = "Release 2 did not prove itself.\nTraceback:\n  long\nKeyError: 'till'\n"
    assert host.abandon(begun, number, note=note) == {
        "changed": True,
        "serving": 1,
        "database": "",
        "fits": True,
    }
    entry = Journal.read(host.app.journal).get(2)
    assert (entry["result"], entry["note"]) == (
        "failed",
        "Release 2 did not prove itself. … KeyError: 'till'",
    )
    assert host.deploy() == 3


def test_a_deploy_that_fails_through_the_web_server(host: Host) -> None:
    host.deploy()
    host.repository.commit("Broken", {})
    begun = host.begin()
    number = host.make(begun)["number"]
    host.answer = Answer(502, "Bad Gateway")
    with pytest.raises(GreenroomError) as failed:
        host.take_stage(number)
    assert str(failed.value) == (
        "Release 2 answered in the green room, but through the web server / on a.example should "
        "answer 200, and what came was 502 Bad Gateway. Release 1 is back on stage. "
        "Were app_domains or app_port changed? Then run site.yml first. "
        "The last lines of its log:\nthe log of 2"
    )
    assert host.app.serving() == 1
    host.abandon(begun, number)
    assert host.results() == {1: "good", 2: "failed"}


def test_a_release_whose_workers_die_one_after_the_other(host: Host) -> None:
    """It answers, now and then."""
    host.deploy()
    host.repository.commit("Broken", {})
    begun = host.begin()
    number = host.make(begun)["number"]
    host.services.deaths = "[5] [ERROR] Worker (pid:7) exited with code 1\n"
    with pytest.raises(GreenroomError) as failed:
        host.take_stage(number)
    assert (
        "what came was 200 OK, and its processes die (Worker (pid:7) exited with code 1). Re"
        in (str(failed.value))
    )
    assert host.app.serving() == 1
    host.abandon(begun, number)


def test_a_first_deploy_that_fails_leaves_an_empty_stage(host: Host) -> None:
    begun = host.begin()
    number = host.make(begun)["number"]
    host.answer = Answer(None, error="refused")
    with pytest.raises(GreenroomError, match=r"came was no answer \(refused\)\. Nothing serves\."):
        host.take_stage(number)
    assert host.abandon(begun, number) == {
        "changed": True,
        "serving": 0,
        "database": "",
        "fits": True,
    }
    assert not os.path.lexists(host.app.current)
    host.answer = Answer(200, "OK")
    assert host.deploy() == 2


@pytest.mark.parametrize("action", ["deploy", "rollback"])
def test_a_failure_after_the_handover_brings_the_one_before_back(host: Host, action: str) -> None:
    """As when the user's own hook fails there."""
    host.deploy()
    host.deploy()
    begun = host.begin()
    if action == "deploy":
        host.repository.commit("Broken", {})
        number = host.make(begun)["number"]
    else:
        number = host.choose()["number"]
    host.take_stage(number)
    assert host.app.serving() == number
    host.services.up.remove(2)  # it would have to be started again
    assert host.abandon(begun, number, action) == {
        "changed": True,
        "serving": 2,
        "database": "",
        "fits": True,
    }
    expected = {1: "good", 2: "good"} | ({3: "failed"} if action == "deploy" else {})
    assert host.results() == expected
    assert host.on_disk() == sorted(expected)


def test_a_day_of_failures_does_not_fill_the_disk(host: Host) -> None:
    host.deploy()
    for _ in range(4):
        host.repository.commit("Broken", {})
        begun = host.begin()
        host.abandon(begun, host.make(begun)["number"])
    assert host.on_disk() == [1, 5]
    assert host.deploy() == 6
    assert host.on_disk() == [1, 6]


@pytest.mark.parametrize(
    ("on_stage", "result", "serving"), [(False, "failed", 1), (True, "good", 2)]
)
def test_a_run_that_died_is_put_right_by_the_next(
    host: Host, on_stage: bool, result: str, serving: int
) -> None:
    host.deploy()
    host.repository.commit("Change", {})
    dead = host.begin()
    host.make(dead)
    if on_stage:
        host.take_stage(2)
    with pytest.raises(GreenroomError, match="ada@laptop is at work here"):
        host.begin()
    assert host.app.serving() == serving
    next_one = host.begin(dead=dead["token"])
    assert next_one["recovered"][0] == f"release 2: its run died; it counts as {result}"
    assert (next_one["serving"], next_one["last_number"]) == (serving, 2)
    assert host.results() == {1: "good", 2: result}
    made = host.make(next_one)
    if on_stage:
        assert (made["needed"], made["number"]) == (False, 2)
        unlock.unlock({"app": "blog", "holder": next_one["token"]}, False)
    else:
        assert (made["needed"], made["number"]) == (True, 3)
        host.take_stage(3)
        host.record(next_one, 3, "deploy")


class PowerCutError(BaseException):
    """Nothing that a step does about an error happens."""


def cut(*_: Any) -> None:
    raise PowerCutError


def interrupt(host: Host, patch: pytest.MonkeyPatch, moment: str, number: int, begun: Any) -> None:
    """The host loses its power when release ``number`` was started, and at a moment from then on.

    Then it boots.
    """
    host.prove(number)
    action = "deploy" if number == begun["last_number"] + 1 else "rollback"
    with patch.context() as step:
        if moment == "before current changes":
            step.setattr(host.app, "put_on_stage", cut)
        if moment == "while the others stop":
            step.setattr(host.services, "disable", cut)
        with suppress(PowerCutError):
            if moment != "before the handover":
                host.take_stage(number)
            if moment == "while the others stop":
                host.record(begun, number, action)
    host.services.up = set(host.services.at_boot)


@pytest.mark.parametrize("action", ["deploy", "rollback"])
@pytest.mark.parametrize(
    ("moment", "current"),
    [
        ("before the handover", False),
        ("before current changes", False),
        ("after current changed", True),
        ("while the others stop", True),
    ],
)
def test_after_a_power_cut_the_next_run_leaves_the_current_release_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch, moment: str, current: bool, action: str
) -> None:
    """Also one that has nothing else to do; the fixture looks at what runs and comes up at boot."""
    host.deploy()
    host.deploy()
    begun = host.begin()
    if action == "deploy":
        host.repository.commit("Change", {})
        number = host.make(begun)["number"]
    else:
        number = host.choose()["number"]
    interrupt(host, monkeypatch, moment, number, begun)
    assert f"a handover to release {number} is pending" in host.status()["pending"]
    dry = host.begin(check=True, dead=begun["token"])
    assert dry["recovered"][-1] == f"a handover to release {number} is pending"
    next_one = host.begin(dead=begun["token"])
    assert next_one["serving"] == host.app.serving() == (number if current else 2)
    end = "finished" if current else "undone"
    said = f"a handover to release {number}: its run was interrupted; it is {end}"
    assert said in next_one["recovered"]
    assert (host.journal().pending, host.status()["pending"]) == (None, "")
    unlock.unlock({"app": "blog", "holder": next_one["token"]}, False)
    again = host.begin()
    assert (again["recovered"], again["changed"]) == ([], False)
    unlock.unlock({"app": "blog", "holder": again["token"]}, False)


def test_a_killed_controller_leaves_a_release_that_the_next_run_stops(host: Host) -> None:
    """No power cut ended it, and no journal entry is open: a rollback makes none."""
    host.deploy()
    host.deploy()
    begun = host.begin()
    host.prove(1)
    assert host.status()["pending"] == "a handover to release 1 is pending; beside it: release 1"
    next_one = host.begin(dead=begun["token"])
    assert "release 1 ran beside the current one; it drains" in next_one["recovered"]
    unlock.unlock({"app": "blog", "holder": next_one["token"]}, False)


def test_the_locks_of_a_fetch_that_was_killed_go(host: Host) -> None:
    """Git itself would refuse the next fetch, and ask for a hand on the host."""
    host.deploy()
    left = [
        Path(host.app.build, "repository", name)
        for name in ("shallow.lock", "refs/heads/live.lock")
    ]
    for path in left:
        path.touch()
    host.begin(check=True)
    assert all(path.exists() for path in left)
    host.fetches = True
    begun = host.begin()
    assert all(path.exists() for path in left), "they are in use"
    unlock.unlock({"app": "blog", "holder": begun["token"]}, False)
    host.fetches = False
    begun = host.begin()
    assert not any(path.exists() for path in left)
    unlock.unlock({"app": "blog", "holder": begun["token"]}, False)


def test_a_lost_journal_does_not_give_a_number_twice(host: Host) -> None:
    host.deploy()
    host.deploy()
    os.unlink(host.app.journal)
    assert host.deploy() == 3


def test_another_run_finds_the_lock_and_leaves_all_alone(host: Host) -> None:
    host.deploy()
    ours = host.begin()
    with pytest.raises(GreenroomError) as refused:
        host.begin()
    assert refused.value.details["holder"]["token"] == ours["token"]  # type: ignore[index]
    host.repository.commit("Ours", {})
    number = host.make(ours)["number"]
    theirs = {"token": "run-9", "serving": 1}
    before = host.snapshot()
    assert host.abandon(theirs, number) == {
        "changed": False,
        "serving": 1,
        "database": "",
        "fits": True,
    }
    assert unlock.unlock({"app": "blog", "holder": "run-9"}, False) == {
        "changed": False,
        "held": False,
    }
    assert host.snapshot() == before
    assert unlock.unlock({"app": "blog", "holder": ours["token"]}, True)["held"] is False
    assert unlock.unlock({"app": "blog", "holder": ours["token"]}, False)["held"] is True


def test_a_damaged_journal_stops_a_run_and_gives_the_lock_back(host: Host) -> None:
    host.deploy()
    whole = Path(host.app.journal).read_text()
    Path(host.app.journal).write_text("{")
    with pytest.raises(GreenroomError, match="is damaged"):
        host.begin()
    Path(host.app.journal).write_text(whole)


def test_a_host_that_was_not_prepared(host: Host) -> None:
    os.rmdir(host.app.releases)
    with pytest.raises(GreenroomError, match=r"^This host is not prepared for blog: .* Run site"):
        host.begin()
    os.mkdir(host.app.releases)
    host.services.prepared = False
    with pytest.raises(GreenroomError, match=r"not prepared to run blog under systemd .* Run site"):
        host.begin()
    assert not os.path.exists(host.app.lock)


def test_the_status_tells_all_that(host: Host) -> None:
    assert host.status() == {
        "changed": False,
        "serving": 0,
        "health": "nothing serves",
        "locked": "",
        "database": "",
        "pending": "",
        "releases": [],
    }
    host.deploy("First")
    host.deploy("Second")
    host.roll_back()
    begun = host.begin()
    found = host.status()
    assert (found["serving"], found["locked"]) == (1, "ada@laptop")
    assert found["health"] == (
        "no answer ([Errno 2] No such file or directory); its service is active"
    )
    assert all(0 <= release["age"] < 60 for release in found["releases"])
    shown = ("number", "subject", "by", "result", "note", "back")
    assert [tuple(r[key] for key in shown) for r in found["releases"]] == [
        (2, "Second", "ada@laptop", "bad", "rolled back from, to 1, by ada@laptop", True),
        (1, "First", "ada@laptop", "good", "", False),
    ]
    unlock.unlock({"app": "blog", "holder": begun["token"]}, False)


def test_a_handover_behind_closed_doors(host: Host) -> None:
    """Who closed the site by hand opens it by hand; what a rollback closed opens with it."""
    host.deploy("First")
    host.repository.commit("Second", {})
    begun = host.begin()
    number = host.make(begun)["number"]
    switch_on(host.app, "by hand")
    assert host.take_stage(number)["warnings"] == [
        f"Nobody was asked through the web server: {host.app.maintenance} is there."
    ]
    assert (host.app.serving(), is_on(host.app)) == (number, True)
    begin_change(host.app, 1, maintenance=True)
    host.take_stage(1)
    assert (host.app.serving(), is_on(host.app)) == (1, False)
    host.abandon(begun, number)


PASSED = {"result": "passed", "by": "ada@laptop", "at": 5, "command": "pytest x"}
FAILED_TESTS = {**PASSED, "result": "failed"}


def test_how_functional_tests_ended_is_in_the_journal(host: Host) -> None:
    number = host.deploy()
    for ended in (FAILED_TESTS, PASSED):
        params = {"app": "blog", "release": number, **ended}
        assert record_tests.record_tests(params, True) == {"changed": True}
        assert host.journal().get(number).get("tests") != ended
        record_tests.record_tests(params, False)
        assert host.journal().get(number)["tests"] == ended
    assert host.status()["releases"][0]["tests"] == PASSED


@pytest.mark.parametrize(
    ("tests", "why"),
    [
        ({}, "those of this revision have not passed there, as far as is known here."),
        (FAILED_TESTS, "those of this revision failed there (pytest x, run by ada@laptop)."),
    ],
)
def test_a_gate_that_is_closed(host: Host, tests: dict[str, Any], why: str) -> None:
    for check in (True, False):
        begun = host.begin(check)
        with pytest.raises(GreenroomError, match=r"^The gate is closed to revision ") as refused:
            host.make(begun, check=check, gate="closed", tests=tests)
        assert why in str(refused.value)
        assert host.journal().entries == []
    opened = host.make(begun, gate="open", tests=tests)
    entry = host.journal().get(opened["number"])
    assert entry["gate"] == "opened by ada@laptop"
    assert entry.get("tests", {}) == tests
    host.abandon(begun, opened["number"])


def test_the_gate_knows_what_has_passed(host: Host) -> None:
    """From elsewhere; and from then on, for another release of the same revision."""
    begun = host.begin()
    first = host.make(begun, gate="closed", tests=PASSED)["number"]
    host.take_stage(first)
    host.record(begun, first, "deploy")
    begun = host.begin()
    again = host.make(begun, gate="closed", environment='A="2"\n')["number"]
    assert again > first
    assert [entry["tests"] for entry in host.journal().entries] == [PASSED, PASSED]
    assert not any("gate" in entry for entry in host.journal().entries)
    host.abandon(begun, again)
    begun = host.begin()
    assert host.make(begun, gate="closed")["number"] == first
    unlock.unlock({"app": "blog", "holder": begun["token"]}, False)


def test_without_a_gate_nothing_is_asked(host: Host) -> None:
    """What is known is written down; only what is known to have failed is refused."""
    begun = host.begin()
    for known in ({}, PASSED):
        number = host.make(begun, tests=known)["number"]
        entry = host.journal().get(number)
        assert (entry.get("tests", {}), "gate" in entry) == (known, False)
        host.abandon(begun, number)
        begun = host.begin()
    with pytest.raises(GreenroomError, match=r"^The gate is closed to revision "):
        host.make(begun, tests=FAILED_TESTS)
    unlock.unlock({"app": "blog", "holder": begun["token"]}, False)
