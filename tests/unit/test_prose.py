"""The linter of prose finds what it is for, and nothing in what is not prose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.roles.project import ROOT

BAD = {
    "Release 42 takes the stage.": "current release",
    "It leaves what served serving.": "current release",
    "A failed deploy puts the one before back.": "previous release",
    "A deploy lists migrations that wait.": "pending migration",
    "The release proves itself.": "pass the health check",
    "Wait until there is room for it.": "space, folder or directory",
    "Use the balancer, where there is one.": "if any",
    "A deploy fails when what is there differs.": "a noun",
    "Have the app run under supervisor.": "a verb",
    "The journal knows the deployer.": "show, list, name",
    "They could of failed at this point in time.": "at this point",
    "The deploy " + "and the rollback " * 9 + "work.": "a sentence of 30 words",
}
GOOD = """\
# The green room

The health check runs in the green room. The words `on stage` are code here, as is

```
what serves
```

and [this address](the-one-before.md#what-is-there) is none of a reader's words.

| setting | meaning |
| --- | --- |
""" + "".join(f"| `setting_{n}` | one of many settings with a meaning each |\n" for n in range(9))


def lint(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    argv = [sys.executable, str(ROOT / "tools" / "prose.py"), str(path)]
    return subprocess.run(argv, capture_output=True, text=True)


def test_each_bad_sentence_is_found_with_its_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = lint(page, "\n\n".join(BAD) + "\n")
    assert done.returncode == 1, done.stderr
    for number, (sentence, instead) in enumerate(BAD.items()):
        line = 2 * number + 1
        found = [one for one in done.stdout.splitlines() if one.startswith(f"{page}:{line}: ")]
        assert any(instead in one for one in found), f"{sentence}: {found}"


def test_code_addresses_and_tables_are_no_sentences(tmp_path: Path) -> None:
    done = lint(tmp_path / "page.md", GOOD)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("heading", "status"), [("0.2.0 (unreleased)", 1), ("0.2.0", 0)])
def test_of_the_changelog_only_the_unreleased_part_counts(
    tmp_path: Path, heading: str, status: int
) -> None:
    text = f"# Changelog\n\n## {heading}\n\nThe release that serves.\n\n## 0.1.0\n\nOn stage.\n"
    done = lint(tmp_path / "CHANGELOG.md", text)
    assert done.returncode == status
    assert "On stage" not in done.stdout
