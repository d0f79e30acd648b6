"""Which tests run, where, and in what order."""

from __future__ import annotations

import os
import random
from collections.abc import Generator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

END_TO_END = Path(__file__).parent / "end_to_end"
#: files whose story is told anew, on another host, for each parameter
TOLD_FOR_EACH = {"test_backends.py", "test_migrations.py", "test_systems.py"}


def group_of(nodeid: str) -> str:
    """The name of the tests that one worker runs, in their order: a file, or one telling of it."""
    file = nodeid.partition("::")[0]
    parameter = nodeid.partition("[")[2] if Path(file).name in TOLD_FOR_EACH else ""
    return f"{file}[{parameter}" if parameter else file


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """What `pytest --numprocesses 2 --dist loadfile` does, with more groups than files."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Have workers take groups of tests."""
    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what needs hosts, so that -m 'not end_to_end' leaves it out."""
    if END_TO_END in item.path.parents:
        item.add_marker("end_to_end")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Tell each story from its beginning, and shuffle where that is asked for.

    A test of a story cannot run alone, so those before it in its group run too, whatever -k and the
    command line say. GREENROOM_SHUFFLE=SEED has the groups of tests in another order.
    """
    asked = {item.nodeid for item in items}
    stories: dict[str, list[pytest.Item]] = {}
    if config.option.keyword or any("::" in argument for argument in config.args):
        stories = whole_stories(session, items)
    every = [item for story in stories.values() for item in story]
    items[:] = [item for item in items if group_of(item.nodeid) not in stories] + every
    yield  # the options -k and -m leave tests out
    for group, story in stories.items():
        chosen = [item for item in items if item in story and item.nodeid in asked]
        items[:] = [item for item in items if group_of(item.nodeid) != group]
        items += story[: story.index(chosen[-1]) + 1] if chosen else []
    if seed := os.environ.get("GREENROOM_SHUFFLE"):
        groups = sorted({group_of(item.nodeid) for item in items})
        random.Random(seed).shuffle(groups)
        items.sort(key=lambda item: groups.index(group_of(item.nodeid)))


def whole_stories(
    session: pytest.Session, items: list[pytest.Item]
) -> dict[str, list[pytest.Item]]:
    """All tests of each story of which there is a test in items, in their order, by their group."""
    told = [item for item in items if item.get_closest_marker("story")]
    groups = {group_of(item.nodeid) for item in told}
    modules = dict.fromkeys(item.getparent(pytest.Module) for item in told)
    every = [item for module in modules if module for item in session.genitems(module)]
    return {group: [i for i in every if group_of(i.nodeid) == group] for group in sorted(groups)}
