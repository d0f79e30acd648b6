from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES
from ansible_collections.greenroom.django.plugins.module_utils._source_control.git import Git

from tests.unit.conftest import ME
from tests.unit.repository import Repository


class History(Repository):
    """Four commits, two branches, three tags."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "work", folder / "bare")
        self.commits = [
            self.commit("First", {"manage.py": "# one\n", "docs/a b.txt": "ä\n"}),
            self.commit("Second: it's “quoted”\n\nWith a body.", {"manage.py": "# two\n"}),
            self.commit("Third", {"run.sh": "#!/bin/sh\n"}),
        ]
        os.chmod(self.work / "run.sh", 0o755)
        os.symlink("manage.py", self.work / "link")
        self.commits.append(self.commit("Fourth", {}))
        self.git("tag", "v1", self.commits[0])
        self.git("tag", "--annotate", "--message=two", "v2", self.commits[1])
        self.git("tag", "first", self.commits[0])
        self.git("branch", "feature/x", self.commits[1])
        self.fetch()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("git"))


@pytest.fixture
def git(repository: History) -> Git:
    return Git(str(repository.bare), ME)


def test_it_is_in_the_registry() -> None:
    assert SOURCES["git"] is Git


def test_whether_it_was_fetched(git: Git, tmp_path: Path) -> None:
    assert git.is_fetched() is True
    assert Git(str(tmp_path / "none"), ME).is_fetched() is False


@pytest.mark.parametrize(
    ("rev", "number"),
    [("live", 4), ("feature/x", 2), ("v1", 1), ("v2", 2), ("first", 1), ("HEAD", 4)],
)
def test_names_mean_commits(git: Git, repository: History, rev: str, number: int) -> None:
    assert git.resolve(rev) == repository.commits[number - 1]


def test_hashes_mean_commits(git: Git, repository: History) -> None:
    for commit in repository.commits:
        assert git.resolve(commit) == git.resolve(commit[:9]) == commit


@pytest.mark.parametrize("rev", ["nowhere", "0" * 40, "live:manage.py", "-h", "--all", "", " "])
def test_what_means_none_is_said(git: Git, rev: str) -> None:
    with pytest.raises(GreenroomError) as refused:
        git.resolve(rev)
    assert str(refused.value) == (
        f"The repository has no branch, tag or commit {rev!r}. Its branches are: feature/x, live."
    )


def test_what_a_commit_says(git: Git, repository: History) -> None:
    first, second, third, fourth = repository.commits
    assert [git.subject(commit) for commit in (first, second)] == ["First", "Second: it's “quoted”"]
    assert [git.tags(commit) for commit in (first, second, third)] == [["first", "v1"], ["v2"], []]
    assert [line.split(" ", 1)[1] for line in git.between(first, fourth)] == [
        "Fourth",
        "Third",
        "Second: it's “quoted”",
    ]
    assert [line.split(" ", 1)[1] for line in git.between(first, fourth, count=1)] == ["Fourth"]
    assert all(git.resolve(line.split(" ")[0]) for line in git.between(first, fourth))
    assert git.between(fourth, first) == []  # what is older adds nothing
    assert git.between("0" * 40, first) == []  # what the repository forgot cannot be compared


def test_reading_a_file_of_a_revision(git: Git, repository: History) -> None:
    first, second, *_ = repository.commits
    assert [git.read(first, "manage.py"), git.read(second, "manage.py")] == ["# one\n", "# two\n"]
    assert git.read(first, "docs/a b.txt") == "ä\n"
    assert [git.read(first, name) for name in ("run.sh", "docs", "", "../x")] == [None] * 4


def test_what_a_revision_has(git: Git, repository: History) -> None:
    first, second, *_ = repository.commits
    names = ("manage.py", "docs", "docs/a b.txt", "", "run.sh", "docs/b")
    assert [git.has(second, name) for name in names] == [True] * 4 + [False] * 2
    assert git.has("0" * 40, "") is False
    assert git.has(first, "../manage.py") is False


def tree_of(folder: Path) -> dict[str, str]:
    """What is in a folder: links by their targets, files by mode and content."""
    return {
        str(path.relative_to(folder)): f"-> {os.readlink(path)}"
        if path.is_symlink()
        else f"{path.stat().st_mode & 0o777:o} {path.read_text()}"
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_a_tree_is_what_was_committed(git: Git, repository: History, tmp_path: Path) -> None:
    """One after the other, since nothing of one revision may be left for the next."""
    first, _, _, fourth = repository.commits
    for number, (commit, tree) in enumerate(
        [
            (
                fourth,
                {
                    "docs/a b.txt": "640 ä\n",
                    "link": "-> manage.py",
                    "manage.py": "640 # two\n",
                    "run.sh": "750 #!/bin/sh\n",
                },
            ),
            (first, {"docs/a b.txt": "640 ä\n", "manage.py": "640 # one\n"}),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        git.export(commit, str(folder))
        assert tree_of(folder) == tree
    assert not list(Path(git.path).glob("*index*"))


def test_what_a_killed_run_left_is_no_obstacle(
    git: Git, repository: History, tmp_path: Path
) -> None:
    (Path(git.path) / "greenroom.index").write_text("half of one")
    (Path(git.path) / "greenroom.index.lock").write_text("")
    git.export(repository.commits[0], str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["docs", "manage.py"]
