"""`make demo`, as whoever tries Greenroom first meets it: what it prints, and that it all goes."""

from __future__ import annotations

import os
import re
import shlex
import urllib.request
from collections.abc import Iterator

import pytest
from host import CACHE, CHECKOUT, PREFIX, command

from tests.end_to_end.conftest import OURS

pytestmark = pytest.mark.story
#: one beside that of whoever works here
NAME = f"demo-{OURS}"
FOLDER = CACHE / NAME


def demo(verb: str) -> str:
    """Run tools/demo; what it printed."""
    return command(
        CHECKOUT / ".venv/bin/python",
        CHECKOUT / "tools/demo",
        verb,
        cwd="/",
        env={**os.environ, "GREENROOM_DEMO": NAME},
    ).stdout


def page(url: str) -> str:
    """What a visitor gets."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="module")
def said(bare_image: str) -> Iterator[str]:
    """What `up` printed, on a machine where nothing of this demo was."""
    del bare_image
    demo("down")
    yield demo("up")
    demo("down")


@pytest.fixture(scope="module")
def url(said: str) -> str:
    """The address that was printed."""
    (url,) = re.findall(r"^The site: +(http://localhost:\d+/)$", said, re.MULTILINE)
    return str(url)


def test_the_address_answers_with_the_newest_version(url: str) -> None:
    text = " ".join(re.sub(r"<[^>]+>", "", page(url)).split())
    assert re.search(r"Playbill v3 · [^·]+ · release 3\b", text)


def test_each_version_and_release_of_the_tour_is_shown(said: str) -> None:
    shown = re.findall(r"Playbill v(\d) · .* · release (\d+)$", said, re.MULTILINE)
    assert shown == [("1", "1"), ("2", "2"), ("1", "1"), ("3", "3")]


def test_no_request_failed_under_load(said: str) -> None:
    ((requests, failed),) = re.findall(r"(\d+) requests in [\d.]+ s, (\d+) failed", said)
    assert (int(requests) > 100, failed) == (True, "0")


def test_the_releases_are_a_table(said: str) -> None:
    """The second was gone back from, and went when the third served."""
    head, columns, *rows = said.partition("status.yml\n")[2].split("\n\n")[1].splitlines()
    assert head == f"playbill on {PREFIX}{NAME}: release 3 serves, healthy"
    assert columns.split() == ["RELEASE", "REVISION", "AGE", "BY", "STATE", "SUBJECT"]
    assert [re.sub(r"^[* ]+(\d+) .*(serves|can be gone to) .*", r"\1 \2", row) for row in rows] == [
        "3 serves",
        "1 can be gone to",
    ]


def test_what_it_says_of_how_to_go_on_works(said: str, url: str) -> None:
    """Change the page, deploy it, go back, and look, with the commands that were printed."""
    lines = dict(re.findall(r"^([A-Z][\w ]+): +(\S.*)$", said, re.MULTILINE))
    template = CHECKOUT / lines["Change it"].removeprefix("edit ")
    template.write_text(template.read_text().replace("</h1>", " indeed</h1>", 1))
    for line in (*re.findall(r"^ +(git .+)$", said, re.MULTILINE), lines["Deploy it"]):
        command(*shlex.split(line), cwd=CHECKOUT)
    assert " indeed</h1>" in page(url)
    for name in ("Roll back", "What is there"):
        command(*shlex.split(lines[name]), cwd=CHECKOUT)
    assert " indeed</h1>" not in page(url)
    assert lines["Look inside"] == f"tools/host.py ssh {NAME}"
    (log,) = re.findall(r"so far: (.+)\)", said)
    assert "PLAY RECAP" in (CHECKOUT / log).read_text()


def test_down_takes_everything_away(url: str) -> None:
    assert "the demo is gone" in demo("down")
    assert command("docker", "ps", "-aq", f"--filter=name=^{PREFIX}{NAME}$").stdout == ""
    assert not FOLDER.exists()
    with pytest.raises(OSError, match=r"refused|reset"):
        page(url)
