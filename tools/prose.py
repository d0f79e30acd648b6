#!/usr/bin/env python3
"""tools/prose.py [FILE...]: hold prose to the glossary, with proselint and rules of our own.

Without files: every page. Of CHANGELOG.md, only the unreleased part counts. Code, links and
addresses are not prose. Exits with 1 if anything was found.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from proselint.checks import __register__ as proselints_own
from proselint.registry import CheckRegistry
from proselint.registry.checks import Check, CheckResult, Padding
from proselint.registry.checks.engine import Fancy
from proselint.registry.checks.types import PreferredForms
from proselint.tools import LintFile

ROOT = Path(__file__).resolve().parent.parent

# A sentence of more words than this is read twice.
LONGEST = 28

# Regular expressions, and what to write instead.
GLOSSARY = {
    r"(?:on|the) stage|(?:on|off) stage": "current release, or to hand over",
    r"(?:what|(?:one|release|releases) that) serves?d?|goes on serving": "current release",
    r"(?:the )?(?:one|release) (?:from )?before": "previous release",
    r"lets? (?:the|it) \w+ (?:one )?(?:finish|before)|finish(?:es)? its scene": "drain",
    r"rehears\w+": "plan, or refresh staging",
    r"prov(?:e|es|ed|en|ing)(?: itself| themselves)?": "pass the health check",
    r"settle[sd]?|unsettled|put(?:s|ting)? right": "recover",
    r"abandon(?:s|ed)?": "revert",
    r"not level|bring(?:s|ing)? (?:\w+ )?level|brought level": "out of sync, or to update",
    r"left out|leav(?:e|es|ing) (?:\w+ )?out": "exclude",
    r"doors?": "slot",
    r"a register|the register|in a register": "registry",
    r"migrations? that waits?|waiting migrations?|wait for live": "pending migration",
    r"can(?:not)? live with": "compatible",
    r"(?<!green )rooms?": "space, folder or directory",
    r"the gate|gate is": "functional tests required",
    r"trials?": "verify deploy",
    r"clos(?:es?|ed) the site|site (?:opens|closes|is closed)": "maintenance mode on or off",
    r"not only undoing|with no hand on": "data loss, or: without repair",
    r"the way (?:back|there)|w(?:ent|ay) back": "rollback",
    r"in the place of": "instead of, or: replace",
    r"(?:who|which one|nobody) knows": "a fact",
    # Machines do not say, tell, ask or know.
    r"says?|said|tells?|told|asks?|asked|knows?": "show, list, name, report, check or request",
    # A noun where there is one, and a verb for an action.
    r"where (?:there )?(?:is|are) (?:one|none|any)|if there (?:is|are) one": "if any",
    r"what (?:is|was|has|had|came|comes|went|goes|follows|belongs|remains)": "a noun",
    r"what (?:it|they) (?:is|was|are|were|has|had)": "a noun",
    r"(?:have|has) (?:the |each |it |them )\w* ?(?:be|do|make|run|serve|start|take|wait)": "a verb",
    r"see (?:that|to it)|looks? whether": "check",
    r"fails? not|listens? never|as ever": "does not fail, never listens, as before",
}

# Some of proselint's own checks are about style in essays: dashes, currencies, "very".
NOT_OURS = ("typography", "misc.but", "misc.phrasal_adjectives", "hedging", "lexical_illusions")

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# tools/faults.py writes the rows of this page, in the names of its own steps.
GENERATED = {"reliability.md": re.compile(r"^\|.*$", re.MULTILINE)}
CODE = re.compile(r"`[^`\n]+`")
ADDRESS = re.compile(r"(?<=\])\([^)\s]*\)|https?://\S+")
# Where a sentence ends besides a full stop: an item of a list, a cell, a heading, an empty line.
BORDER = re.compile(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) |\n#+ |\n>|\n?\||\n---")
SENTENCE_END = re.compile(r"[.:;?!](?=[)”*]*\s)")


def prose_of(path: Path) -> str:
    """A file without its code and addresses; what is left keeps its place."""
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":
        released = re.search(r"^## (?!.*\(unreleased\))", text, re.MULTILINE)
        text = text[: released.start()] if released else text
    for pattern in (FENCE, COMMENT, ADDRESS, *filter(None, [GENERATED.get(path.name)])):
        text = pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    # Code is a word of its sentence, and none of the glossary.
    return CODE.sub(lambda found: "_" * len(found[0]), text)


def long_sentences(text: str, check: Check) -> Iterator[CheckResult]:
    """Each sentence of more words than LONGEST."""
    borders = [found.span() for found in BORDER.finditer(text)]
    ends = [(found.end(), found.end()) for found in SENTENCE_END.finditer(text)]
    start = 0
    for end, following in sorted([*borders, *ends, (len(text), len(text))]):
        words = len(text[start:end].split())
        if words > LONGEST:
            begins = start + len(text[start:end]) - len(text[start:end].lstrip())
            yield CheckResult(check.path, check.message.format(words), (begins, end), None)
        start = max(start, following)


CHECKS = (
    Check(
        PreferredForms(
            {f"(?:{words})": better for words, better in GLOSSARY.items()},
            padding=Padding.STRICT_WORDS_IN_TEXT,
        ),
        engine=Fancy(),
        path="greenroom.glossary",
        message="'{1}' is not plain; use: {0}.",
    ),
    Check(
        long_sentences,
        path="greenroom.length",
        message=f"a sentence of {{}} words; at most {LONGEST}, or make it two.",
    ),
)


def files() -> list[Path]:
    """All that is prose for people."""
    patterns = ("*.md", "docs/*.md", "examples/*.md", "roles/*/README.md")
    return sorted(page for pattern in patterns for page in ROOT.glob(pattern))


def lint(path: Path) -> list[str]:
    """What is wrong with a file, a line each."""
    found = LintFile(path, prose_of(path)).lint(
        {"max_errors": 1000, "checks": {check.path: True for check in CheckRegistry().checks}}
    )
    return [f"{path}:{line}: {result.message}" for result, (line, _) in found]


def main(arguments: Iterable[str]) -> int:
    """Lint the files; returns the exit status."""
    own = (
        check for check in proselints_own if not check.path.startswith((*NOT_OURS, "restricted"))
    )
    CheckRegistry().register_many((*CHECKS, *own))
    found = [line for path in map(Path, arguments or files()) for line in lint(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
