"""The engine, from the controller's files to the process on a host that runs a step."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.greenroom.django.plugins.plugin_utils import _engine

from tests.unit.roles.project import MODULES, ROOT, load, module

ARCHIVE = _engine.archive_of(_engine.engine_files())
DIGEST = _engine.digest_of(_engine.engine_files())
SIGNS = {"params": {"app": "not-there", "repository": "/nowhere", "token": ""}, "check_mode": False}


def install(
    folder: Path, request: bytes = b"{}", step: str = "status", archive: bytes = ARCHIVE
) -> subprocess.CompletedProcess[bytes]:
    """Run the program that installs the engine, as a host does."""
    arguments = [folder, hashlib.sha256(ARCHIVE).hexdigest(), str(len(ARCHIVE)), "keep", step]
    program = [sys.executable, "-I", "-c", _engine.INSTALL.read_text(), *map(str, arguments)]
    return subprocess.run(program, input=archive + request, capture_output=True)


def test_the_same_files_give_the_same_engine() -> None:
    files = _engine.engine_files()
    assert (_engine.archive_of(files), _engine.digest_of(files)) == (ARCHIVE, DIGEST)
    assert _engine.digest_of({**files, "engine.py": b""}) != DIGEST


def test_a_step_of_every_module_is_in_it() -> None:
    steps = {name for name in MODULES if hasattr(module(name), "main")}
    assert steps <= {Path(path).stem for path in _engine.engine_files()}
    routed = load("meta/runtime.yml")["plugin_routing"]["modules"]
    own = {path.stem for path in (ROOT / "plugins/action").glob("*.py")}
    assert set(routed) == steps - own
    assert {route["action_plugin"] for route in routed.values()} == {"greenroom.django.step"}


def test_the_engine_imports_the_standard_library_alone() -> None:
    text = b"\n".join(_engine.engine_files().values()).decode()
    imported = {line for line in text.splitlines() if line.startswith(("import ", "from "))}
    named = {line.split()[1].partition(".")[0] for line in imported}
    assert named - {"ansible_collections", "__future__"} <= sys.stdlib_module_names


#: options that are called like a secret and are none: the name of an environment, and the run's own
#: word, which GREENROOM_RUN has in every command
NO_SECRETS = {
    ("find_snapshot", "environment"),
    ("load_snapshot", "environment"),
    ("lock", "token"),
}


@pytest.mark.parametrize("name", [name for name in MODULES if hasattr(module(name), "main")])
def test_what_is_called_like_a_secret_is_one(name: str) -> None:
    """Else its value goes with the command, for everybody on the host to see."""
    called = re.compile("token|password|secret|environment|content|key|credential")
    options = [option for option in _engine.documentation(name)["options"] if called.search(option)]
    secret = {option for option in options if (name, option) not in NO_SECRETS}
    assert secret == set(_engine.secret_options(name))


@pytest.mark.parametrize("name", [name for name in MODULES if hasattr(module(name), "main")])
def test_a_spec_comes_from_the_documentation(name: str) -> None:
    spec = _engine.argument_spec(_engine.documentation(name)["options"])
    assert set(_engine.secret_options(name)) <= set(spec)
    required = {option: "1" for option, about in spec.items() if about.get("required")}
    checked = ArgumentSpecValidator(spec).validate({**required, "nosuch": 1})
    assert any("nosuch" in text for text in checked.error_messages)
    assert json.dumps(checked.validated_parameters)


def test_a_path_is_the_host_s() -> None:
    options = {"to": {"type": "path"}, "in": {"type": "dict", "suboptions": {"n": {"type": "int"}}}}
    spec = _engine.argument_spec(options)
    checked = ArgumentSpecValidator(spec).validate({"to": "~/x"})
    assert checked.validated_parameters == {"to": "~/x", "in": {"n": None}}


def test_it_installs_itself_and_becomes_the_step(tmp_path: Path) -> None:
    folder = tmp_path / "engines" / DIGEST
    request = json.dumps(SIGNS).encode()
    first = install(folder, request, "find_source_control")
    again = [sys.executable, "-I", f"{folder}/engine.py", "step", "find_source_control"]
    second = subprocess.run(again, input=request, capture_output=True)
    results = [_engine.result_of("signs", answer(ended)) for ended in (first, second)]
    assert results[0]["msg"] == results[1]["msg"]
    assert "without a result" not in results[0]["msg"]
    backup = ["backup", "not-there", "--databases", "default", "--keep", "3", "--days", "9"]
    alone = [sys.executable, "-I", f"{folder}/engine.py", *backup]
    said = subprocess.run(alone, capture_output=True, text=True).stdout
    assert said == "Nothing of not-there serves here yet, so there is nothing to back up.\n"
    assert os.listdir(folder.parent) == [DIGEST]
    assert (folder / "__pycache__").exists() or list(folder.rglob("*.pyc"))
    assert {path.stat().st_mode & 0o022 for path in folder.rglob("*")} == {0}


def answer(ended: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    out, err = ended.stdout.decode(), ended.stderr.decode()
    return {"rc": ended.returncode, "stdout": out, "stderr": err}


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (ARCHIVE[:-1], "the engine did not arrive whole"),
        (ARCHIVE[:-1] + b"x", "the engine arrived damaged"),
    ],
)
def test_half_an_engine_is_none(tmp_path: Path, archive: bytes, said: str) -> None:
    folder = tmp_path / "engines" / DIGEST
    ended = install(folder, b"", archive=archive)
    assert (ended.returncode, said in ended.stderr.decode()) == (1, True)
    assert not folder.exists()


def test_old_engines_go_unless_they_are_in_use(tmp_path: Path) -> None:
    names = [letter * 16 for letter in "abcd"]
    for age, name in enumerate(names):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (age + 1, age + 1))
    (tmp_path / "current").symlink_to(names[1])
    (tmp_path / "launch").mkdir()
    used = os.open(tmp_path / names[0], os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_SH)
    install(tmp_path / DIGEST)
    others = {"current", "launch", DIGEST}
    assert set(os.listdir(tmp_path)) == {names[0], names[1], names[3]} | others
    os.close(used)
    os.unlink(tmp_path / DIGEST / "engine.py")  # as one that came half
    (tmp_path / ".new-left").mkdir()
    install(tmp_path / DIGEST)
    assert set(os.listdir(tmp_path)) == {names[1], names[3]} | others


@pytest.mark.parametrize(
    ("stdout", "stderr", "said"),
    [
        (
            "Welcome!\n",
            "Traceback\nMemoryError\n",
            "and without a result. MemoryError",
        ),
        ("", "sh: /usr/bin/python3: not found", "Greenroom needs Python 3 on the host."),
        ("", "", "It said nothing."),
        ("", "\x1b[31mred", r"without a result. \x1b[31mred"),
    ],
)
def test_a_step_without_a_result_is_a_failure(stdout: str, stderr: str, said: str) -> None:
    result = _engine.result_of("prove", {"rc": 1, "stdout": stdout, "stderr": stderr})
    assert result["failed"]
    assert said in result["msg"]


def test_what_others_print_is_no_result() -> None:
    stdout = 'Welcome!\n{"changed": false, "n": 1}\n'
    assert _engine.result_of("x", {"rc": 0, "stdout": stdout, "stderr": ""})["n"] == 1
