"""The page that shows how to add a backend: its steps, taken in a copy of the tree."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._registry import in_words
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS

from tests.unit.roles.project import ROOT

PAGE = ROOT / "docs/adding-a-backend.md"
HAS = ("collections", "docs", "galaxy.yml", "meta", "plugins", "pyproject.toml", "roles", "tests")
SHOULD = f"it should be {in_words([*MANAGERS, 'prompter'])}."

# Stands in for the program on the host: notes what it is told, and has something to say.
PROGRAM = """\
#!/bin/sh
echo "$*" >>"$(dirname "$0")/told"
case $1 in state) echo up ;; running | enabled) echo 41 42 ;; log) echo "of $3" ;; esac
"""

USE = """
import os, sys
from ansible_collections.greenroom.django.plugins.module_utils import _command
_command.PATH = f"{sys.argv[1]}:{_command.PATH}"
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._backends import BACKENDS
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS, service_of
app = App("blog", root=sys.argv[2])
os.makedirs(app.releases)
service = service_of(app, "prompter")
service.start(42)
available = MANAGERS["prompter"].is_available()
print(available, service.is_active(42), service.running(), service.log(42))
from ansible_collections.greenroom.django.plugins.module_utils._database import database_of
print(database_of(app, "default", {"engine": "x.ledger", "name": "/a"}).name_before("now"))
from ansible_collections.greenroom.django.plugins.module_utils._source_control import source_of
print(source_of(app, "scroll").path)
from ansible_collections.greenroom.django.plugins.module_utils._push import KINDS
print(KINDS["scroll"].ASKS.fullmatch("scroll take blog")[1])
from ansible_collections.greenroom.django.plugins.plugin_utils._clone import CLONES
print(sorted(CLONES))
print(sorted(BACKENDS["web_server"]["usher"].ports("listen 80\\nlisten 8080")))
"""


class Copy:
    """A copy of the tree, to which the page's steps are applied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        unwanted = shutil.ignore_patterns("__pycache__", "end_to_end")
        for name in HAS:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, path / name, symlinks=True, ignore=unwanted)
            else:
                shutil.copy(ROOT / name, path / name)

    def run(self, *argv: str | Path, check: bool = True) -> str:
        """Run a program of the virtualenv in the copy; what it printed."""
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(self.path / "collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "PYTHONPATH": str(self.path / "collections"),
        }
        environment.pop("PYTEST_XDIST_WORKER", None)
        program = Path(sys.executable).with_name(str(argv[0]))
        done = subprocess.run(
            [program, *argv[1:]], cwd=self.path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout + done.stderr

    def task(self, module: str, **settings: str) -> str:
        """Dry-run one task on this machine, with these variables or arguments; what was said."""
        words = [word for item in settings.items() for word in ("--extra-vars", "=".join(item))]
        arguments = " ".join("=".join(item) for item in settings.items())
        given = words if module == "check_settings" else ["--check", "--args", arguments]
        module = f"greenroom.django.{module}"
        return self.run("ansible", "localhost", "--module-name", module, *given, check=False)


def steps() -> list[tuple[str, str, str]]:
    """The page's blocks, in order: the file that was named last, the language, the text."""
    text = PAGE.read_text()
    found, named = [], ""
    for block in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        names = re.findall(r"`([\w./]+)`:$", text[: block.start()], re.MULTILINE)
        named = names[-1] if names else ""
        found.append((named, block[1], block[2]))
    return found


def apply(copy: Copy, path: str, language: str, text: str) -> None:
    """Take one step."""
    file = copy.path / path
    if language == "diff":
        before = "".join(line[1:] for line in text.splitlines(keepends=True) if line[0] != "+")
        content = file.read_text()
        assert content.count(before) == 1, f"{path} has no such lines, or several times:\n{before}"
        after = "".join(line[1:] for line in text.splitlines(keepends=True) if line[0] != "-")
        file.write_text(content.replace(before, after))
    elif language:
        assert not file.exists(), f"the page adds {path}, which is there"
        file.write_text(text)
    else:
        for line in text.splitlines():
            copy.run(*shlex.split(line))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    copy = Copy(tmp_path_factory.mktemp("copy"))
    for step in steps():
        apply(copy, *step)
    return copy


def test_the_page_touches_the_folders_of_the_question_alone() -> None:
    touched = {path for path, language, _ in steps() if language}
    new = {path for path, language, _ in steps() if language in ("python", "yaml")}
    assert {Path(path).stem for path in new} == {"prompter", "usher", "ledger", "scroll"}
    assert {Path(path).name for path in touched - new} == {"__init__.py"}


def test_the_page_says_what_is_then_said() -> None:
    assert SHOULD in PAGE.read_text()


def test_what_it_adds_is_in_the_style_of_the_house(copy: Copy) -> None:
    files = [path for path, language, _ in steps() if language in ("python", "diff")]
    copy.run("ruff", "check", "--quiet", *files)
    copy.run("ruff", "format", "--check", "--quiet", *files)


ADDED = {
    "app_service_manager": "prompter",
    "app_web_server": "usher",
    "app_database": "ledger",
    "app_source_control": "scroll",
}


def test_those_that_were_added_are_taken_and_others_refused(copy: Copy) -> None:
    said = copy.task("check_settings", **ADDED)
    assert [setting for setting in ADDED if setting in said] == []
    said = copy.task("check_settings", **dict.fromkeys(ADDED, "pigeon"))
    for setting, name in ADDED.items():
        assert re.search(rf"{setting} is 'pigeon'; it should be .* or {name}\.", said)


def test_they_are_used(copy: Copy, tmp_path: Path) -> None:
    program = tmp_path / "prompter"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    said = copy.run("python", "-c", USE, tmp_path, tmp_path).splitlines()
    assert said == [
        "True True [41, 42] of 42",
        "/a_before_now",
        f"{tmp_path}/srv/blog/build/repository.scroll",
        "blog",
        "['git', 'hg', 'scroll']",
        "[80, 8080]",
    ]
    assert (tmp_path / "told").read_text().splitlines()[0] == "start blog 42"


def test_a_step_reaches_it(copy: Copy) -> None:
    """And runs its program, which this machine does not have."""
    said = copy.task("restart", app="blog", service_manager="prompter")
    assert "prompter is not on this host." in said
    said = copy.task("restart", app="blog", service_manager="pigeon")
    assert f"service_manager is 'pigeon'; {SHOULD}" in said
