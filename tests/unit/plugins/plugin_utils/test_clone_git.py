"""Merging with real repositories: the one that all push to is bare, and in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.plugin_utils._clone.git import check_out, merge
from ansible_collections.greenroom.django.plugins.plugin_utils._merged import ATTEMPTS

from tests.unit.repository import Repository


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Git as somebody has it who told it a name, and has settings that would be in the way."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text(
        "[user]\n name = Ada\n email = ada@example.com\n"
        "[merge]\n ff = only\n[clone]\n defaultRemoteName = upstream\n"
    )
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def shared(tmp_path: Path) -> Repository:
    """``live``, and ``feature/x``, which has one commit more."""
    repository = Repository(tmp_path / "work", tmp_path / "bare")
    repository.commit("Start", {"a": "1\n", "b": "1\n"})
    repository.git("switch", "--quiet", "-c", "feature/x")
    repository.commit("A feature", {"c": "1\n"})
    repository.fetch()
    return repository


def at(shared: Repository, branch: str = "live", what: str = "%H") -> str:
    """What the shared repository says of the commit that a branch is at."""
    return shared.git(f"--git-dir={shared.bare}", "log", "-1", f"--format={what}", branch).strip()


def refusal(shared: Repository, branch: str = "feature/x", into: str = "live") -> str:
    """What is said of a merge that is refused, and leaves the shared repository as it was."""
    everything = ("for-each-ref", "--format=%(objectname) %(refname)")
    before = shared.git(f"--git-dir={shared.bare}", *everything)
    with pytest.raises(GreenroomError) as refused:
        merge(str(shared.bare), branch, into)
    assert shared.git(f"--git-dir={shared.bare}", *everything) == before
    return str(refused.value)


def test_a_merge_commit_is_pushed(shared: Repository) -> None:
    before, feature = at(shared), at(shared, "feature/x")
    merged = merge(str(shared.bare), "feature/x", "live")
    assert merged.changed
    assert [line.split(" ", 1)[1] for line in merged.commits] == ["A feature"]
    assert at(shared) == merged.revision
    assert at(shared, what="%P") == f"{before} {feature}"
    assert at(shared, what="%B %an") == "Merge branch 'feature/x' into live\n Ada"
    assert shared.git(f"--git-dir={shared.bare}", "ls-tree", "--name-only", "live") == "a\nb\nc\n"


def test_a_rehearsal_pushes_nothing(shared: Repository) -> None:
    before = at(shared)
    merged = merge(str(shared.bare), "feature/x", "live", push=False)
    assert merged.changed
    assert at(shared) == before != merged.revision


def test_what_is_merged_already(shared: Repository) -> None:
    first = merge(str(shared.bare), "feature/x", "live")
    again = merge(str(shared.bare), "feature/x", "live")
    assert (again.changed, again.revision, again.commits) == (False, first.revision, [])


@pytest.mark.parametrize("push", [True, False])
def test_conflicts_are_named(shared: Repository, push: bool) -> None:
    shared.commit("Theirs", {"a": "2\n", "b": "2\n", "c": "2\n"})
    shared.git("switch", "--quiet", "live")
    shared.commit("Ours", {"a": "3\n"})
    shared.git("rm", "--quiet", "b")
    shared.commit("Without b", {})
    shared.fetch()
    before = at(shared)
    with pytest.raises(GreenroomError) as refused:
        merge(str(shared.bare), "feature/x", "live", push=push)
    assert str(refused.value) == (
        "feature/x and live both changed a, b, in ways that don't go together; nothing was pushed. "
        "Merge live into feature/x, settle it there, push that, and deploy again."
    )
    assert at(shared) == before


@pytest.mark.parametrize("branch", ["nowhere", "HEAD", "v1", "feature"])
def test_a_branch_that_is_not_there(shared: Repository, branch: str) -> None:
    shared.git("tag", "v1")
    shared.fetch()
    assert refusal(shared, branch) == (
        f"merge is '{branch}', and the repository has no branch of that name; was it pushed? "
        "Its branches are: feature/x, live."
    )


def test_an_environment_without_its_branch(shared: Repository) -> None:
    assert refusal(shared, into="staging").startswith("app_branch is 'staging', and the repository")


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError) as refused:
        merge(str(tmp_path / "nowhere"), "feature/x", "live")
    first, words = str(refused.value).split("\n", 1)
    assert first == ("git clone failed on this machine, in a clone of its own; nothing was pushed:")
    assert "does not exist" in words


def test_histories_that_have_nothing_in_common(shared: Repository) -> None:
    shared.git("switch", "--quiet", "--orphan", "other")
    shared.commit("Elsewhere", {"a": "9\n"})
    shared.fetch()
    found = refusal(shared, "other")
    assert found.startswith("other cannot be merged into live; nothing was pushed:\n")
    assert "refusing to merge unrelated histories" in found


def test_somebody_without_a_name(shared: Repository, home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\n useConfigOnly = true\n")
    assert "git config --global user.email" in refusal(shared)


def test_a_repository_that_takes_no_push(shared: Repository) -> None:
    hook = shared.bare / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'live is protected' >&2\nexit 1\n")
    hook.chmod(0o755)
    found = refusal(shared)
    assert found.startswith("feature/x was merged into live here, and the repository refused it; n")
    assert "live is protected" in found


class Rival:
    """Somebody who is faster: pushes to ``live`` whenever we are about to, so many times."""

    def __init__(self, shared: Repository, home: Path, times: int) -> None:
        left = home / "left"
        left.write_text("x" * times)
        hooks = home / "hooks"
        hooks.mkdir()
        (hooks / "pre-push").write_text(
            f'#!/bin/sh\n[ -s {left} ] || exit 0\nprintf %s "$(cut -c 2- {left})" > {left}\n'
            f"cd {shared.work} && git -c core.hooksPath=/dev/null commit --quiet --allow-empty "
            f"-m Faster && git -c core.hooksPath=/dev/null push --quiet {shared.bare} HEAD:live\n"
        )
        (hooks / "pre-push").chmod(0o755)
        with (home / ".gitconfig").open("a") as file:
            file.write(f"[core]\n hooksPath = {hooks}\n")
        shared.git("switch", "--quiet", "live")


def test_somebody_who_is_faster_once(shared: Repository, home: Path) -> None:
    Rival(shared, home, 1)
    merged = merge(str(shared.bare), "feature/x", "live")
    assert at(shared) == merged.revision
    assert at(shared, "live^1", "%s") == "Faster"
    assert at(shared, "live^2", "%s") == "A feature"


def test_somebody_who_is_always_faster(shared: Repository, home: Path) -> None:
    Rival(shared, home, ATTEMPTS)
    with pytest.raises(GreenroomError) as refused:
        merge(str(shared.bare), "feature/x", "live")
    assert str(refused.value) == (
        "feature/x was merged into live here 3 times, and each time somebody else had pushed there "
        "meanwhile; nothing was pushed. Deploy again."
    )
    assert at(shared, what="%s") == "Faster"


def test_a_deploy_from_a_hook(
    shared: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git tells its hooks, and all that they start, which repository is meant."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    merged = merge(str(shared.bare), "feature/x", "live")
    monkeypatch.delenv("GIT_DIR")
    assert at(shared) == merged.revision


def test_nothing_is_left_of_the_clone(
    shared: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    merge(str(shared.bare), "feature/x", "live")
    refusal(shared, "nowhere")
    assert list(folder.iterdir()) == []


def test_a_revision_is_checked_out(shared: Repository, tmp_path: Path) -> None:
    first, folder = at(shared), tmp_path / "tree"
    merge(str(shared.bare), "feature/x", "live")
    folder.mkdir()
    check_out(str(shared.bare), first, str(folder))
    assert sorted(path.name for path in folder.iterdir()) == [".git", "a", "b"]


def test_a_revision_that_is_gone(shared: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    with pytest.raises(GreenroomError, match=r"^git checkout failed on this machine, in a clone"):
        check_out(str(shared.bare), "0" * 40, str(folder))
