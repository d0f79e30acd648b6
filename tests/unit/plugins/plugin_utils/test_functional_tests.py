"""Running commands against a site, for real."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.plugin_utils._functional_tests import (
    Outcome,
    is_there,
    run,
    told,
)


def ran(command: str, folder: Path, timeout: float = 30) -> tuple[Outcome, list[str]]:
    """How a command ended, and what it said."""
    said: list[str] = []
    variables = {**os.environ, **told("https://staging.example.com:8443")}
    return run(command, str(folder), variables, timeout, said.append), said


def test_one_that_passes_knows_where_the_site_is(tmp_path: Path) -> None:
    script = "pwd; echo $BASE_URL $PYTEST_BASE_URL; echo $STAGING_SERVER $TEST_SERVER >&2"
    ended, said = ran(f"sh -c '{script}'", tmp_path)
    url, server = "https://staging.example.com:8443", "staging.example.com:8443"
    assert said == [f"{tmp_path}\n", f"{url} {url}\n", f"{server} {server}\n"]
    assert ended.passed


def test_one_that_fails(tmp_path: Path) -> None:
    ended, _ = ran("sh -c 'exit 3'", tmp_path)
    assert not ended.passed
    assert str(ended) == "ended with 3 after 0 s"


def test_one_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    ended, said = ran("sh -c 'sleep 60 & echo $!; wait'", tmp_path, timeout=0.5)
    assert (ended.code, ended.passed) == (None, False)
    assert str(ended).startswith("had not ended after ")
    assert time.monotonic() - began < 20
    assert ends(int(said[0]))


def ends(number: int) -> bool:
    """Whether a process ends within two seconds; it may wait to be noticed."""
    state = Path(f"/proc/{number}/stat")
    for _ in range(200):
        try:
            if state.read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def test_a_run_that_is_killed_takes_them_along(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=ran, args=("sh -c 'echo $$ > pid; exec sleep 60'", tmp_path)
    )
    process.start()
    file = tmp_path / "pid"
    while not (file.exists() and file.read_text()):
        time.sleep(0.01)
    process.kill()
    process.join()
    assert ends(int(file.read_text()))


@pytest.mark.parametrize("command", ["manage.py test", "./manage.py test"])
def test_a_program_of_the_tree(tmp_path: Path, command: str) -> None:
    program = tmp_path / "manage.py"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    assert ran(command, tmp_path)[1] == ["test\n"]


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError) as refused:
        ran("./run 'a b'", tmp_path)
    assert str(refused.value) == (
        "app_functional_tests is \"./run 'a b'\", and ./run cannot be run on this machine, where "
        "the tests run in a clone of the repository: No such file or directory."
    )


@pytest.mark.parametrize(
    ("command", "there"),
    [("sh -c true", True), ("no-such-program", False), ("./run", True), ("manage.py test", True)],
)
def test_whether_it_can_be_there(command: str, there: bool) -> None:
    assert is_there(command) is there
