"""The name of a backend stands in its own files and in the registry, and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.roles.project import ROOT

# Each backend, and what names it. One file may hold several, such as two ways to use Apache.
NAMES = {
    "systemd": r"systemd",
    "supervisor": r"supervisor(d|ctl)?",
    "upstart": r"upstart",
    "mod_wsgi": r"mod_wsgi|apache(2|2ctl|_proxy)?",  # which is a part of Apache
    "apache": r"mod_wsgi|apache(2|2ctl|_proxy)?",
    "apache_proxy": r"mod_wsgi|apache(2|2ctl|_proxy)?",
    "nginx": r"nginx",
    "git": r"git",
    "hg": r"hg|mercurial",
    "sqlite": r"sqlite3?|spatialite",
    "postgresql": r"postgres(ql)?|postgis|psql|psycopg2?",
}
ANY = re.compile(rf"(?<![a-zA-Z0-9])({'|'.join(NAMES.values())})(?![a-zA-Z0-9@])", re.IGNORECASE)
# What documents a module is documentation, and not code.
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}

# File by file: what it may name, and why.
INIT = "systemd is the first process of the host, whatever runs the app's releases"
EXCEPTIONS: dict[str, tuple[str, str]] = {
    "plugins/module_utils/_environment.py": (
        "systemd",
        "the file's format is that of systemd.exec(5), whoever reads it",
    ),
    "plugins/module_utils/_host_services.py": ("systemd", INIT),
    "plugins/module_utils/_init_system.py": ("systemd", INIT),
    "plugins/module_utils/_sandbox.py": ("systemd", INIT),
    "roles/balancer/tasks/haproxy_configure.yml": ("systemd", INIT),
    "roles/balancer/tasks/haproxy_keep_state.yml": ("systemd", INIT),
}


def owner(path: Path) -> str:
    """The backend whose file this is; empty where it is nobody's."""
    stem = path.name.partition(".")[0]
    return next((name for name in NAMES if stem == name or stem.startswith(f"{name}_")), "")


def is_registry(path: Path) -> bool:
    """Whether a file is the one that lists the backends of a kind."""
    return path.name == "__init__.py" and any(owner(other) for other in path.parent.glob("*.py"))


def code_of(path: Path) -> str:
    """The text of a file, without the documentation of a module."""
    lines = path.read_text().splitlines()
    if path.suffix == ".py":
        for node in ast.parse("\n".join(lines)).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in DOCUMENTATION:
                assert node.end_lineno
                lines[node.lineno - 1 : node.end_lineno] = [""] * (
                    node.end_lineno - node.lineno + 1
                )
    return "\n".join(lines)


def named_in(path: Path) -> set[str]:
    """The names of backends in a file which are not its own."""
    own = NAMES.get(owner(path), "(?!)")
    found = {match[1].lower() for match in ANY.finditer(code_of(path))}
    return {name for name in found if not re.fullmatch(own, name)}


def files() -> Iterator[Path]:
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        if path.parent.name != "doc_fragments" and not is_registry(path):
            yield path
    for folder in ("tasks", "vars"):
        yield from sorted(ROOT.glob(f"roles/*/{folder}/**/*.yml"))


def test_a_name_is_found() -> None:
    """In code, and not in the documentation of a module."""
    assert ANY.findall("a nginx, NGINX_PORT and /etc/nginx") != []
    assert named_in(ROOT / "plugins/module_utils/_init_system.py") == {"systemd"}
    assert named_in(ROOT / "plugins/module_utils/_service/systemd.py") == set()
    assert "systemd" in (ROOT / "plugins/modules/adopt_release.py").read_text()
    assert named_in(ROOT / "plugins/modules/adopt_release.py") == set()


@pytest.mark.parametrize("path", [str(path.relative_to(ROOT)) for path in files()])
def test_a_backend_is_named_in_its_own_file_alone(path: str) -> None:
    allowed, _ = EXCEPTIONS.get(path, ("", ""))
    assert named_in(ROOT / path) == set(allowed.split()), "ask the registry; see _backends.py"
