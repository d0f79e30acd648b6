"""Merging with real repositories of Mercurial: the one that all push to is in a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.plugin_utils._clone import git, hg, reason
from ansible_collections.greenroom.django.plugins.plugin_utils._clone.hg import check_out, merge
from ansible_collections.greenroom.django.plugins.plugin_utils._merged import ATTEMPTS

from tests.unit.repository import HgRepository, Repository

pytestmark = pytest.mark.usefixtures("mercurial")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where home is; one for all, since another place is another server of Mercurial's."""
    return tmp_path_factory.mktemp("home") / "ada"


@pytest.fixture(autouse=True)
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Mercurial as somebody has it: with a name, and settings that would be in the way."""
    folder = place
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / ".hgrc").write_text(
        "[ui]\nusername = Ada\nmerge = false\nverbose = true\n[defaults]\nlog = --graph\n"
    )
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("HGRCPATH", str(folder / ".hgrc"))
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> HgRepository:
    """``live``, and ``feature/x``, which has one changeset more."""
    repository = HgRepository(tmp_path_factory.mktemp("hg") / "work")
    repository.commit("Start", {"a": "1\n", "b": "1\n"})
    repository.branch("feature/x", "0")
    repository.commit("A feature", {"c": "1\n"})
    return repository


@pytest.fixture
def shared(start: HgRepository, tmp_path: Path) -> HgRepository:
    """A copy of that for each test."""
    return start.copy(tmp_path / "work")


def tip(shared: HgRepository, rev: str = "live", what: str = "{node}") -> str:
    """What the shared repository says of a changeset."""
    return shared.hg("log", "--rev", rev, "--template", what)


def everything(shared: HgRepository) -> str:
    """All that is in the shared repository."""
    return shared.hg("log", "--template", "{node} {branch} {bookmarks}\n")


def refusal(shared: HgRepository, branch: str = "feature/x", into: str = "live") -> str:
    """What is said of a merge that is refused, and leaves the shared repository as it was."""
    before = everything(shared)
    with pytest.raises(GreenroomError) as refused:
        merge(str(shared.work), branch, into)
    assert everything(shared) == before
    return str(refused.value)


def test_a_merge_is_pushed(shared: HgRepository) -> None:
    before, feature = tip(shared), tip(shared, "feature/x")
    merged = merge(str(shared.work), "feature/x", "live")
    assert merged.changed
    assert [line.split(" ", 1)[1] for line in merged.commits] == ["A feature"]
    assert tip(shared) == merged.revision
    assert tip(shared, what="{p1.node} {p2.node} {branch}") == f"{before} {feature} live"
    assert tip(shared, what="{desc}, {user}") == "Merge branch 'feature/x' into live, Ada"
    assert shared.hg("files", "--rev", "live").split() == ["a", "b", "c"]


def test_a_rehearsal_pushes_nothing(shared: HgRepository) -> None:
    before = everything(shared)
    merged = merge(str(shared.work), "feature/x", "live", push=False)
    assert merged.changed
    assert everything(shared) == before
    assert merged.revision not in before


def test_what_is_merged_already(shared: HgRepository) -> None:
    first = merge(str(shared.work), "feature/x", "live")
    again = merge(str(shared.work), "feature/x", "live")
    assert (again.changed, again.revision, again.commits) == (False, first.revision, [])


@pytest.mark.parametrize("push", [True, False])
def test_conflicts_are_named(shared: HgRepository, push: bool) -> None:
    shared.commit("Theirs", {"a": "2\n", "b": "2\n", "c": "2\n"})
    shared.hg("update", "live")
    shared.commit("Ours", {"a": "3\n"})
    (shared.work / "b").unlink()
    shared.commit("Without b", {})
    before = everything(shared)
    with pytest.raises(GreenroomError) as refused:
        merge(str(shared.work), "feature/x", "live", push=push)
    assert str(refused.value) == (
        "feature/x and live both changed a, b, in ways that don't go together; nothing was pushed. "
        "Merge live into feature/x, settle it there, push that, and deploy again."
    )
    assert everything(shared) == before


def test_what_goes_together_is_no_conflict(shared: HgRepository) -> None:
    lines = "".join(f"{number}\n" for number in range(20))
    shared.hg("update", "live")
    shared.commit("Longer", {"a": lines})
    shared.branch("other", "live")
    shared.commit("The end", {"a": lines + "end\n"})
    shared.hg("update", "live")
    shared.commit("The beginning", {"a": "begin\n" + lines})
    merge(str(shared.work), "other", "live")
    assert shared.hg("cat", "--rev", "live", "a") == f"begin\n{lines}end\n"


def test_bookmarks(shared: HgRepository) -> None:
    """The environment's branch may be one, and so may what is merged."""
    shared.hg("update", "live")
    shared.hg("bookmark", "stage")
    shared.commit("On the stage", {"d": "1"})
    shared.hg("bookmark", "--rev", "feature/x", "work")
    shared.hg("update", "null")  # a bookmark that is checked out is not moved by a push
    before, theirs = tip(shared, "stage"), tip(shared, "work")
    merged = merge(str(shared.work), "work", "stage")
    assert tip(shared, "stage", "{node} {p1.node} {p2.node}") == (
        f"{merged.revision} {before} {theirs}"
    )
    assert tip(shared, "work") == theirs


def test_a_bookmark_that_only_moves_on(shared: HgRepository) -> None:
    shared.hg("update", "live")
    shared.hg("bookmark", "--inactive", "stage")
    shared.hg("bookmark", "--inactive", "work")
    shared.hg("update", "work")
    new = shared.commit("Work", {"d": "1"})
    shared.hg("update", "null")
    merged = merge(str(shared.work), "work", "stage")
    assert (merged.changed, merged.revision) == (True, new)
    assert tip(shared, "stage") == new


@pytest.mark.parametrize("branch", ["v1", "feature", "0"])
def test_a_branch_that_is_not_there(shared: HgRepository, branch: str) -> None:
    shared.hg("tag", "--rev", "0", "v1")
    shared.hg("bookmark", "--rev", "0", "good")
    assert refusal(shared, branch) == (
        f"merge is '{branch}', and the repository has no branch or bookmark of that name; was it "
        "pushed? Its branches are: feature/x, live; its bookmarks are: good."
    )


def test_an_environment_without_its_branch(shared: HgRepository) -> None:
    assert refusal(shared, into="staging").startswith("app_branch is 'staging', and the repository")


def test_a_branch_with_two_heads(shared: HgRepository) -> None:
    shared.commit("One", {"d": "1"})
    shared.hg("update", "--rev", "1")
    shared.commit("Two", {"d": "2"})
    assert refusal(shared).startswith("The branch 'feature/x' has 2 heads (")


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError) as refused:
        merge(str(tmp_path / "nowhere"), "feature/x", "live")
    first, words = str(refused.value).split("\n", 1)
    assert first == "hg clone failed on this machine, in a clone of its own; nothing was pushed:"
    assert "not found" in words


def test_a_repository_that_takes_no_push(shared: HgRepository) -> None:
    (shared.work / ".hg/hgrc").write_text(
        "[hooks]\npretxnchangegroup = echo live is protected >&2; false\n"
    )
    found = refusal(shared)
    assert found.startswith("feature/x was merged into live here, and the repository refused it; n")
    assert "live is protected" in found


class Rival:
    """Somebody who is faster: commits to ``live`` whenever we are about to push, so many times."""

    def __init__(self, shared: HgRepository, home: Path, times: int) -> None:
        left, script = home / "left", home / "rival"
        left.write_text("x" * times)
        script.write_text(
            f'#!/bin/sh\n[ -s {left} ] || exit 0\nprintf %s "$(cut -c 2- {left})" > {left}\n'
            f"cd {shared.work} && export HGRCPATH= && hg update --quiet --clean live &&\n"
            f"cat {left} > faster && hg commit --quiet --addremove -u Eve -m Faster\n"
        )
        script.chmod(0o755)
        with (home / ".hgrc").open("a") as file:
            file.write(f"[hooks]\npre-push = {script}\n")


def test_somebody_who_is_faster_once(shared: HgRepository, home: Path) -> None:
    Rival(shared, home, 1)
    merged = merge(str(shared.work), "feature/x", "live")
    assert tip(shared) == merged.revision
    assert tip(shared, "p1(live)", "{desc}") == "Faster"
    assert tip(shared, "p2(live)", "{desc}") == "A feature"
    assert len(tip(shared, "head() and branch(live)", "x")) == 1


def test_somebody_who_is_always_faster(shared: HgRepository, home: Path) -> None:
    Rival(shared, home, ATTEMPTS)
    with pytest.raises(GreenroomError) as refused:
        merge(str(shared.work), "feature/x", "live")
    assert str(refused.value) == (
        "feature/x was merged into live here 3 times, and each time somebody else had pushed there "
        "meanwhile; nothing was pushed. Deploy again."
    )
    assert tip(shared, what="{desc}") == "Faster"


def test_nothing_is_left_of_the_clone(
    shared: HgRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    merge(str(shared.work), "feature/x", "live")
    refusal(shared, "nowhere")
    assert list(folder.iterdir()) == []


def test_a_revision_is_checked_out(shared: HgRepository, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    check_out(str(shared.work), tip(shared, "0"), str(folder))
    assert sorted(path.name for path in folder.iterdir()) == [".hg", "a", "b"]


def test_a_repository_of_another_kind(shared: HgRepository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "git", tmp_path / "bare")
    other.commit("Start", {})
    other.fetch()
    error = GreenroomError("said")
    assert [git.answers(str(path)) for path in (other.bare, shared.work)] == [True, False]
    assert [hg.answers(str(path)) for path in (other.bare, shared.work)] == [False, True]
    for path, asked, kind in ((other.bare, "hg", "git"), (shared.work, "git", "hg")):
        assert reason(error, str(path), asked) == (
            f"app_source_control is {asked}, and {path} is a repository of {kind}; nothing was "
            f"pushed. Set app_source_control to {kind}, run site.yml, and deploy again; or name "
            "another repository."
        )
        assert reason(error, str(path), kind) == "said"
    assert reason(error, str(tmp_path), "hg") == "said"
