"""What `make oldest` runs are all the unit tests that another ansible-core could break."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Ansible's own code, and its programs.
ANSIBLE = re.compile(r"^ *(?:from|import) ansible[. ]|[\"']ansible(?:-\w+)?[\"']", re.MULTILINE)
IMPORTS = re.compile(r"from ansible_collections\.greenroom\.django\.(\S+) import (\([^)]*\)|.*)")


def goes_through_ansible(path: Path) -> bool:
    """Whether a test file, or one of the plugins that it imports, has Ansible do something."""
    text = path.read_text()
    imported = (
        f"{package.replace('.', '/')}{name}.py"
        for package, names in IMPORTS.findall(text)
        for name in ("", *(f"/{word}" for word in re.findall(r"\w+", names)))
    )
    return bool(ANSIBLE.search(text)) or any(
        ANSIBLE.search((ROOT / name).read_text()) for name in imported if (ROOT / name).is_file()
    )


def test_all_that_go_through_ansible_are_run_with_the_oldest_too() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", "")
    (words,) = re.findall(r"^with_ansible := \$\(addprefix tests/unit/, (.*)\)$", makefile, re.M)
    taken = [ROOT / "tests/unit" / word for word in words.split()]
    assert [path for path in taken if not path.exists()] == []
    left_out = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/unit").rglob("test_*.py")
        if not {path, *path.parents} & set(taken) and goes_through_ansible(path)
    }
    assert left_out == set()
