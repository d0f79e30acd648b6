from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._command import (
    PATH,
    meaningful_lines,
    must_run,
    run,
    tail,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

from tests.unit.conftest import ME


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_nothing_of_the_callers_environment_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    shown = run(["/usr/bin/env"], environment={"B": "2", "A": "a b\n"}, cwd="/tmp")
    assert sorted(shown.stdout.split("\n")) == sorted(
        ["", "", "A=a b", "B=2", "HOME=/", "LANG=C.UTF-8", f"PATH={PATH}"]
    )


def test_a_user_has_a_home_and_keeps_data_private(tmp_path: Path) -> None:
    code = f"import os; open({str(tmp_path / 'new')!r}, 'w'); print(os.environ['HOME'])"
    home = run(python(code), user=ME, umask=0o027).stdout
    assert home.strip() == os.path.expanduser(f"~{ME}")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_input_output_and_exit_code() -> None:
    code = "import sys; print(input()); sys.stderr.buffer.write(b'\\xff'); sys.exit(3)"
    result = run(python(code), stdin="said\n")
    assert (result.returncode, result.stdout, result.stderr) == (
        3,
        "said\n",
        "\N{REPLACEMENT CHARACTER}",
    )
    assert run(python("import sys; print(repr(sys.stdin.read()))")).stdout == "''\n"


def test_what_cannot_be_run_is_one_sentence(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    for argv, said in (
        (["/no/such/program"], "/no/such/program is not on this host."),
        ([str(script)], f"{script} cannot be run: Permission denied."),
    ):
        with pytest.raises(GreenroomError) as refused:
            run(argv)
        assert str(refused.value) == said


def test_it_does_not_wait_for_ever() -> None:
    with pytest.raises(GreenroomError, match=r"^/bin/sleep did not end within 0\.1 seconds\.$"):
        run(["/bin/sleep", "9"], timeout=0.1)


def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    number = tmp_path / "number"
    script = f"sleep 60 & echo $! > {number}; wait"
    with pytest.raises(GreenroomError, match="did not end within"):
        run(["/bin/sh", "-c", script], timeout=0.5)
    stat = Path(f"/proc/{number.read_text().strip()}/stat")
    for _ in range(100):
        if not stat.exists() or ") Z " in stat.read_text():
            return
        time.sleep(0.01)
    raise AssertionError(stat.read_text())


def test_what_must_work_says_why_it_did_not() -> None:
    assert must_run("Trying", python("print('fine')")) == "fine\n"
    with pytest.raises(GreenroomError) as refused:
        must_run("Trying", python("import sys; print('out'); sys.exit('error')"))
    assert str(refused.value) == "Trying failed (exit 1):\nout\nerror"
    assert refused.value.details == {"exit_code": 1}


@pytest.mark.parametrize(
    ("text", "end"), [("", ""), ("\n a\nb \n\n", "a\nb"), ("1\n2\n3\n4\n", "2\n3\n4")]
)
def test_the_end_of_what_was_said(text: str, end: str) -> None:
    assert tail(text, 3) == end


TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/blog/wsgi.py", line 2, in <module>
    raise RuntimeError("Stage fright")
RuntimeError: Stage fright
"""


@pytest.mark.parametrize(
    ("log", "telling"),
    [
        ("", ""),
        ("1\n2\n3\n4\n", "2\n3\n4"),
        (f"Booting\n{TRACEBACK}1\n2\n3\n4\n", f"{TRACEBACK}[...]\n2\n3\n4"),
        (f"{TRACEBACK}1\n2\n", "RuntimeError: Stage fright\n1\n2"),
        (
            f"{TRACEBACK}1\n{TRACEBACK}3\n",
            f"{TRACEBACK}[...]\n" + "\n".join([*TRACEBACK.splitlines()[-2:], "3"]),
        ),
        ("Traceback (most recent call last):\n  1\n  2\n  3\n", "  1\n  2\n  3"),
    ],
)
def test_the_error_that_it_all_began_with(log: str, telling: str) -> None:
    assert meaningful_lines(log, 3) == telling
