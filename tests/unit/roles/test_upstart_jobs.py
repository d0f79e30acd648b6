"""The jobs for upstart, held to its own rules: init(5), and what init-checkconf refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.upstart.job import Event, Job, JobError, Operator, parse
from tests.unit.roles.test_templates import render

SETTINGS: list[dict[str, Any]] = [
    {},
    {"app_name": "my-blog", "gunicorn_memory_max": "40%", "gunicorn_drain": 5},
]


@pytest.fixture
def release() -> Job:
    return parse(render("gunicorn/upstart/app.conf.j2"))


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", ["app", "app-releases"])
def test_upstart_takes_what_we_write(name: str, settings: dict[str, Any]) -> None:
    job = parse(render(f"gunicorn/upstart/{name}.conf.j2", **settings))
    assert {"description", "console"} <= set(job.stanzas)
    assert "main" in job.processes


def test_a_release_is_an_instance(release: Job) -> None:
    assert release.instance == "$RELEASE"
    assert release.start_on is None, "no instance starts by itself at a boot"
    assert release.stop_on == Event("runlevel", ["[!2345]"])
    assert (release.console, release.umask) == ("log", 0o027)


def test_a_release_is_started_again_five_times_a_minute_at_most(release: Job) -> None:
    assert (release.respawn, release.respawn_limit) == (True, (4, 60))
    assert release.normal_exit == ["0"]


def test_the_launcher_runs_it_and_ends_what_is_left(release: Job) -> None:
    launch = "/usr/local/lib/greenroom/launch blog@$RELEASE"
    assert release.processes["main"].command == f"{launch} @/etc/blog/launch"
    assert release.processes["main"].argv()[:3] == ["/bin/sh", "-e", "-c"]
    assert release.processes["post-stop"].command == f"{launch} --end"


def test_what_can_be_set_is_not_in_the_job() -> None:
    """It would stay as it was for as long as any release runs."""
    set_otherwise = {
        "gunicorn_drain": 7,
        "gunicorn_graceful_timeout": 71,
        "gunicorn_memory_max": "77M",
        "gunicorn_open_files": 7777,
    }
    for name in ("app", "app-releases"):
        path = f"gunicorn/upstart/{name}.conf.j2"
        assert render(path, **set_otherwise) == render(path)
    lines = render("gunicorn/launch.j2", **set_otherwise).splitlines()
    assert [line for line in lines if line.startswith("--")] == [
        "--drain=7",
        "--patience=76",
        "--memory-max=77M",
        "--open-files=7777",
    ]


def test_a_second_job_starts_what_is_enabled_at_a_boot() -> None:
    job = parse(render("gunicorn/upstart/app-releases.conf.j2"))
    assert job.task
    assert job.start_on == Operator(
        "or", Event("runlevel", ["[2345]"]), Event("stopped", ["rc", "RUNLEVEL=[2345]"])
    )
    script = job.processes["main"].command
    assert script.rstrip().endswith("done </etc/blog/releases-at-boot")


def test_it_starts_those_that_do_not_run_and_no_other(tmp_path: Path) -> None:
    """And goes on where one does not start."""
    job = parse(render("gunicorn/upstart/app-releases.conf.j2", app_etc=str(tmp_path)))
    (tmp_path / "releases-at-boot").write_text("41\n42\n43\n")
    initctl = tmp_path / "initctl"
    initctl.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '    "status blog RELEASE=42") echo "blog (42) start/running, process 7" ;;\n'
        f'    *) echo "$*" >>{tmp_path}/told; exit 1 ;;\n'
        "esac\n"
    )
    initctl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(job.processes["main"].argv(), env=environment, check=True)
    told = (tmp_path / "told").read_text().splitlines()
    assert [line for line in told if line.startswith("start ")] == [
        "start blog RELEASE=41",
        "start blog RELEASE=43",
    ]


def test_it_starts_none_that_was_disabled_meanwhile(tmp_path: Path) -> None:
    """As by a run that stops what an interrupted one left; the list is replaced, not changed."""
    job = parse(render("gunicorn/upstart/app-releases.conf.j2", app_etc=str(tmp_path)))
    path = tmp_path / "releases-at-boot"
    path.write_text("41\n42\n")
    (tmp_path / "new").write_text("41\n")
    initctl = tmp_path / "initctl"
    initctl.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/told\n[ "$1" != start ] || mv {tmp_path}/new {path}\n'
    )
    initctl.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    subprocess.run(job.processes["main"].argv(), env=environment, check=True)
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ["status blog RELEASE=41", "start blog RELEASE=41"]


# -- the checker itself ---------------------------------------------------------------------------

GOOD = """\
# A comment, and "a quote in it
description "two words" # and a comment
author 'Ada'
usage "blog RELEASE=42"
version 1
env KEY="a b"
env EMPTY=
export KEY EMPTY
emits one two
instance $KEY
start on (started a KEY=x*
          and runlevel [2345]) or net-device-up IFACE!=lo
stop on stopping a
manual
task
respawn
respawn limit 5 60
respawn limit unlimited
normal exit 0 1 TERM SIGHUP
kill timeout 20
kill signal INT
reload signal USR1
expect fork
console none
umask 0027
nice -5
oom score -999
oom never
limit nofile 4096 unlimited
chdir /srv
chroot /srv
setuid blog
setgid blog
apparmor switch /usr/bin/x
cgroup memory greenroom limit_in_bytes 52428800
pre-start exec one \\
    two
post-start script
    exit 0
end script
pre-stop exec true
post-stop exec true
script
    echo "end script here is none"
end script
"""


def test_every_stanza_in_its_form() -> None:
    job = parse(GOOD)
    assert job.env == {"KEY": "a b", "EMPTY": ""}
    assert job.start_on is None, "it was there before `manual`"
    assert job.processes["pre-start"].command == "one     two"
    assert job.processes["main"].command == '    echo "end script here is none"\n'
    assert job.normal_exit == ["0", "1", "TERM", "SIGHUP"]
    assert job.limits == {"nofile": (4096, -1)}


def test_both_operators_bind_alike() -> None:
    job = parse("start on a or b and (c or d)\n")
    first = Operator("or", Event("a"), Event("b"))
    assert job.start_on == Operator("and", first, Operator("or", Event("c"), Event("d")))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("task\n\n# x\nrestart always\n", 4, "Unknown stanza"),
        ("ExecStart=/bin/true\n", 1, "Unknown stanza"),
        ("description a b\n", 1, "Unexpected token"),
        ("description\n", 1, "Expected token"),
        ('description "a\n', 1, "Unterminated quoted string"),
        ("task now\n", 1, "Unexpected token"),
        ("exec\n", 1, "Expected token"),
        ("script\n  true\n", 3, "Unterminated block"),
        ("script true\nend script\n", 1, "Unexpected token"),
        ("end script\n", 1, "Unknown stanza"),
        ("pre-start /bin/true\n", 1, "Unknown stanza"),
        ("pre-start\n", 1, "Expected token"),
        ("respawn always\n", 1, "Unknown stanza"),
        ("respawn limit 5\n", 1, "Expected token"),
        ("respawn limit 5 6 7\n", 1, "Unexpected token"),
        ("respawn limit a 5\n", 1, "Illegal limit"),
        ("respawn limit 5 a\n", 1, "Illegal interval"),
        ("normal exit x\n", 1, "Illegal exit status"),
        ("normal 0\n", 1, "Unknown stanza"),
        ("kill timeout soon\n", 1, "Illegal interval"),
        ("kill signal LOUD\n", 1, "Illegal signal status"),
        ("kill -9\n", 1, "Unknown stanza"),
        ("console file\n", 1, "Unknown stanza"),
        ("umask 0999\n", 1, "Illegal file creation mask"),
        ("limit memory 1 2\n", 1, "Unknown stanza"),
        ("limit nofile 4096\n", 1, "Expected token"),
        ("limit nofile many 1\n", 1, "Illegal limit"),
        ("start runlevel 2\n", 1, "Unknown stanza"),
        ("task\nstart on\n", 2, "Expected event"),
        ("start on a and\n", 1, "Expected event"),
        ("start on and a\n", 1, "Expected event"),
        ("start on (a or b\n", 1, "Mismatched parentheses"),
        ("start on a) or b\n", 1, "Mismatched parentheses"),
        ("start on a (b)\n", 1, "Expected operator"),
        ("expect nothing\n", 1, "Unknown stanza"),
    ],
)
def test_what_upstart_does_not_take_is_named_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(JobError) as refused:
        parse(text)
    assert (refused.value.line, refused.value.said) == (line, said)
