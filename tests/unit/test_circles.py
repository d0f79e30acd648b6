"""The table of promises in docs/developing.md, and the circles: make test, make test-all."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.unit.roles.project import ROOT

ROW = re.compile(r"^\| (.*?) \| `(test_\w+\.py)::(test_\w+)` \| (core|extended) \|$", re.MULTILINE)
TABLE = ROW.findall((ROOT / "docs" / "developing.md").read_text())
#: the promises of which `make test` must keep each
PROMISES = 11


@cache
def contents(file: str) -> tuple[set[str], set[str]]:
    """The tests of a file, and the marks of all of them."""
    tree = ast.parse((ROOT / "tests" / "end_to_end" / file).read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    marks = {
        mark.attr
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for mark in ast.walk(node.value)
        if isinstance(mark, ast.Attribute) and ast.unparse(mark.value) == "pytest.mark"
    }
    return names, marks


@pytest.mark.parametrize(("file", "test", "circle"), [row[1:] for row in TABLE])
def test_each_test_is_there_and_in_its_circle(file: str, test: str, circle: str) -> None:
    names, marks = contents(file)
    assert test in names
    assert ("extended" in marks) == (circle == "extended")


def test_each_promise_has_a_test_in_the_core() -> None:
    kept, promise = set(), ""
    for name, _, _, circle in TABLE:
        promise = name or promise
        if circle == "core":
            kept.add(promise)
    assert len(kept) == len({name for name, *_ in TABLE if name}) == PROMISES


def test_make_test_leaves_out_what_is_extended_alone() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.findall(r"\$\(pytest\) (tests/end_to_end tests/unit.*)", makefile) == [
        'tests/end_to_end tests/unit -m "not extended"',
        "tests/end_to_end tests/unit",
    ]
