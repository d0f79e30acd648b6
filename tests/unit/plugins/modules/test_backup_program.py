"""The program that the timer starts: packed from what the module carries, and complete."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

from ansible_collections.greenroom.django.plugins.modules import backup_program

UTILS = "ansible_collections/greenroom/django/plugins/module_utils"


def packed(folder: Path) -> Path:
    """The program as a file, packed by a Python that has imported nothing else."""
    path = folder / "backup.pyz"
    script = (
        "import sys; from ansible_collections.greenroom.django.plugins.modules.backup_program "
        "import archive; sys.stdout.buffer.write(archive())"
    )
    environment = {"PYTHONPATH": str(Path(backup_program.__file__).parents[5])}
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True
    )
    path.write_bytes(run.stdout)
    return path


def test_it_runs_with_nothing_of_ansible(tmp_path: Path) -> None:
    command = ["/usr/bin/env", "-i", sys.executable, "-I", str(packed(tmp_path)), "--help"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "--keep" in said.stdout


def test_all_that_it_may_import_is_in_it(tmp_path: Path) -> None:
    """What a function imports when it is called, too: that is missed only on the day."""
    with zipfile.ZipFile(packed(tmp_path)) as archive:
        names = set(archive.namelist())
        for name in names:
            for node in ast.walk(ast.parse(archive.read(name))):
                if not isinstance(node, ast.ImportFrom) or not node.module:
                    continue
                path = node.module.replace(".", "/")
                if path.startswith(UTILS):
                    wanted = {f"{path}.py", f"{path}/__init__.py"}
                    wanted |= {f"{path}/{alias.name}.py" for alias in node.names}
                    assert wanted & names, f"{name} imports {node.module}"
                    if path == UTILS:
                        for alias in node.names:
                            assert f"{UTILS}/{alias.name}.py" in names, f"{name}: {alias.name}"
