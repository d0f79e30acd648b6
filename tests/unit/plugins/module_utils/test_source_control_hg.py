from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES, hg
from ansible_collections.greenroom.django.plugins.module_utils._source_control.hg import Mercurial

from tests.unit.conftest import ME
from tests.unit.plugins.module_utils.test_source_control_git import tree_of
from tests.unit.repository import HgRepository

pytestmark = pytest.mark.usefixtures("mercurial")
SOON = 60.0  # seconds that a fetch may take


class History(HgRepository):
    """Four changesets on live, one on a branch beside it, two tags, a bookmark."""

    def __init__(self, work: Path) -> None:
        super().__init__(work)
        self.commits = [
            self.commit("First", {"manage.py": "# one\n", "docs/a b.txt": "ä\n"}),
            self.commit("Second: it's “quoted”\n\nWith a body.", {"manage.py": "# two\n"}),
            self.commit("Third", {"run.sh": "#!/bin/sh\n"}),
        ]
        os.chmod(work / "run.sh", 0o755)
        os.symlink("manage.py", work / "link")
        self.commits.append(self.commit("Fourth", {}))
        self.hg("tag", "--local", "mine")
        self.hg("tag", "--rev", self.commits[0], "v1", "first")
        self.hg("bookmark", "--rev", self.commits[1], "good")
        self.branch("feature/x-1", self.commits[1])
        self.commits += [self.node("branch(live) and head()"), self.commit("Sixth", {"x": "1"})]


def fetched(repository: HgRepository, path: Path) -> Mercurial:
    """What a host has of a repository."""
    found = Mercurial(str(path), ME)
    found.fetch(str(repository.work), SOON)
    return found


@pytest.fixture(scope="module")
def repository(
    tmp_path_factory: pytest.TempPathFactory,
    mercurial: None,  # noqa: ARG001
) -> History:
    return History(tmp_path_factory.mktemp("hg") / "work")


@pytest.fixture(scope="module")
def source(repository: History, tmp_path_factory: pytest.TempPathFactory) -> Mercurial:
    return fetched(repository, tmp_path_factory.mktemp("hg") / "fetched")


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> HgRepository:
    """Two changesets."""
    repository = HgRepository(tmp_path_factory.mktemp("hg") / "work")
    repository.commit("One", {"a": "1"})
    repository.commit("Two", {"a": "2"})
    return repository


@pytest.fixture
def shared(start: HgRepository, tmp_path: Path) -> HgRepository:
    """The same, for a test to change."""
    return start.copy(tmp_path / "work")


# -- asking what was fetched ----------------------------------------------------------------------


def test_it_is_in_the_registry() -> None:
    assert SOURCES["hg"] is Mercurial


def test_whether_it_was_fetched(source: Mercurial, tmp_path: Path) -> None:
    assert source.is_fetched() is True
    none = Mercurial(str(tmp_path / "none"), ME)
    assert (none.is_fetched(), none.meaning("live")) == (False, "")


@pytest.mark.parametrize(
    ("rev", "number", "meaning"),
    [
        ("live", 5, "the branch live"),
        ("feature/x-1", 6, "the branch feature/x-1"),
        ("v1", 1, "the tag v1"),
        ("first", 1, "the tag first"),
        ("good", 2, "the bookmark good"),
        ("2", 3, "the local number 2"),
        ("0", 1, "the local number 0"),
        ("tip", 6, "the tag tip"),
    ],
)
def test_names_mean_changesets(
    source: Mercurial, repository: History, rev: str, number: int, meaning: str
) -> None:
    assert source.resolve(rev) == repository.commits[number - 1]
    assert source.meaning(rev) == meaning


def test_hashes_mean_changesets(source: Mercurial, repository: History) -> None:
    for commit in repository.commits[:2]:
        assert source.resolve(commit) == source.resolve(commit[:9]) == commit
        assert source.meaning(commit[:9]) == ""


@pytest.mark.parametrize(
    "rev",
    [
        *("nowhere", "0" * 40, "live:tip", "-1", "-h", ".", "null", "", "mine"),
        *("6", "9" * 30, "x' or all() or '\\"),
    ],
)
def test_what_means_none_is_said(source: Mercurial, rev: str) -> None:
    with pytest.raises(GreenroomError) as refused:
        source.resolve(rev)
    assert str(refused.value) == (
        f"The repository has no branch, bookmark, tag or changeset {rev!r}. Its branches are: "
        "feature/x-1, live; its bookmarks are: good."
    )


def test_a_commit_that_a_fetch_would_bring(
    source: Mercurial, repository: History, tmp_path: Path
) -> None:
    assert source.awaits("a" * 40) is True
    assert Mercurial(str(tmp_path), ME).awaits(repository.commits[0]) is True
    assert [source.awaits(rev) for rev in (repository.commits[0], "live", "3")] == [False] * 3


def test_what_a_changeset_says(source: Mercurial, repository: History) -> None:
    first, second, _, fourth, tagging, sixth = repository.commits
    assert [source.subject(commit) for commit in (first, second)] == [
        "First",
        "Second: it's “quoted”",
    ]
    assert [sorted(source.tags(commit)) for commit in (first, second, sixth)] == [
        ["first", "v1"],
        [],
        [],
    ]
    assert [line.split(" ", 1)[1] for line in source.between(first, fourth)] == [
        "Fourth",
        "Third",
        "Second: it's “quoted”",
    ]
    assert [line.split(" ", 1)[1] for line in source.between(first, fourth, count=1)] == ["Fourth"]
    assert [line.split(" ", 1)[1] for line in source.between(tagging, sixth)] == ["Sixth"]
    assert all(source.resolve(line.split(" ")[0]) for line in source.between(first, fourth))
    assert source.between(fourth, first) == []  # what is older adds nothing
    assert source.between("0" * 39 + "1", first) == []  # nor is anything known of what is gone


def test_reading_a_file_of_a_revision(source: Mercurial, repository: History) -> None:
    first, second, *_ = repository.commits
    assert [source.read(rev, "manage.py") for rev in (first, second)] == ["# one\n", "# two\n"]
    assert source.read(first, "docs/a b.txt") == "ä\n"
    assert [source.read(first, name) for name in ("run.sh", "docs", "", "../x")] == [None] * 4


def test_what_a_revision_has(source: Mercurial, repository: History) -> None:
    first, second, *_ = repository.commits
    names = ("manage.py", "docs", "docs/a b.txt", "", "run.sh", "docs/b")
    assert [source.has(second, name) for name in names] == [True] * 4 + [False] * 2
    assert source.has("0" * 39 + "1", "") is False
    assert source.has(first, "../manage.py") is False


def test_a_tree_is_what_was_committed(
    source: Mercurial, repository: History, tmp_path: Path
) -> None:
    first, _, _, fourth, *_ = repository.commits
    docs = {"docs/a b.txt": "640 ä\n"}
    for number, (commit, tree) in enumerate(
        [
            (
                fourth,
                {
                    **docs,
                    "link": "-> manage.py",
                    "manage.py": "640 # two\n",
                    "run.sh": "750 #!/bin/sh\n",
                },
            ),
            (first, {**docs, "manage.py": "640 # one\n"}),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o751)
        source.export(commit, str(folder))
        assert tree_of(folder) == tree
        assert [path.stat().st_mode & 0o777 for path in (folder, folder / "docs")] == [0o751, 0o750]


# -- heads of a branch ----------------------------------------------------------------------------


def test_a_branch_with_two_heads(shared: HgRepository, tmp_path: Path) -> None:
    """Mercurial itself would take the newer one, whosever it is."""
    one = shared.node("tip")
    shared.hg("update", "--clean", "--rev", "0")
    other = shared.commit("Another second", {"b": "1"})
    source = fetched(shared, tmp_path / "fetched")
    with pytest.raises(GreenroomError) as refused:
        source.resolve("live")
    assert f"The branch 'live' has 2 heads ({one[:12]}, {other[:12]}), and" in str(refused.value)
    assert source.resolve(other[:12]) == other
    shared.hg("bookmark", "--rev", other, "work")  # as with work that is not on the branch yet
    source.fetch(str(shared.work), SOON)
    assert (source.resolve("live"), source.resolve("work")) == (one, other)
    shared.hg("bookmark", "--delete", "work")
    shared.hg("bookmark", "--force", "--rev", "0", "live")
    source.fetch(str(shared.work), SOON)
    assert source.resolve("live") == shared.node("0"), "it is the bookmark's name, too"


def test_a_head_that_was_closed(shared: HgRepository, tmp_path: Path) -> None:
    shared.hg("update", "--clean", "--rev", "0")
    shared.commit("A mistake", {"b": "1"})
    shared.hg("commit", "--close-branch", "--message", "Close it")
    shared.branch("feature", "1")
    feature = shared.commit("A feature", {"c": "1"})
    shared.hg("commit", "--close-branch", "--message", "Done")
    source = fetched(shared, tmp_path / "fetched")
    assert source.resolve("live") == shared.node("1")
    assert source.resolve("feature") == shared.node("tip") != feature


# -- fetching -------------------------------------------------------------------------------------


def test_bookmarks_and_tags_are_those_of_the_repository(
    shared: HgRepository, tmp_path: Path
) -> None:
    shared.hg("bookmark", "--rev", "1", "moved")
    shared.hg("bookmark", "--rev", "1", "gone")
    source = fetched(shared, tmp_path / "fetched")
    shared.hg("bookmark", "--force", "--rev", "0", "moved")
    shared.hg("bookmark", "--delete", "gone")
    shared.hg("tag", "new")
    source.fetch(str(shared.work), SOON)
    assert source.resolve("moved") == shared.node("0")
    assert source.resolve("new") == shared.node("1")
    with pytest.raises(GreenroomError, match="no branch, bookmark, tag or changeset 'gone'"):
        source.resolve("gone")


def test_a_history_that_was_rewritten(shared: HgRepository, tmp_path: Path) -> None:
    source = fetched(shared, tmp_path / "fetched")
    shared.hg("strip", "--no-backup", "--rev", "1")
    new = shared.commit("Another second", {"a": "3"})
    source.fetch(str(shared.work), SOON)
    assert (source.resolve("live"), source.resolve("1")) == (new, new)


def test_another_repository(shared: HgRepository, tmp_path: Path) -> None:
    source = fetched(shared, tmp_path / "fetched")
    gone = shared.node("tip")
    other = HgRepository(tmp_path / "other")
    new = other.commit("Elsewhere", {"z": "1"})
    source.fetch(str(other.work), SOON)
    assert (source.resolve("live"), source.awaits(gone)) == (new, True)


@pytest.mark.parametrize("phase", ["draft", "secret"])
def test_what_somebody_committed_on_the_host(
    shared: HgRepository, tmp_path: Path, phase: str
) -> None:
    """Or has only edited there: none of it can be deployed, and none of it stops a fetch."""
    tip = shared.node("tip")
    source = fetched(shared, tmp_path / "fetched")
    here = HgRepository.__new__(HgRepository)
    here.work = Path(source.path)
    here.hg("update", "live")
    (here.work / "leak").write_text("1")
    here.hg("--config", f"phases.new-commit={phase}", "commit", "--addremove", "--message", "Leak")
    assert source.resolve("live") != tip
    (here.work / "a").write_text("edited, and not committed")
    source.fetch(str(shared.work), SOON)
    assert source.resolve("live") == tip
    folder = tmp_path / "tree"
    folder.mkdir()
    source.export(tip, str(folder))
    assert tree_of(folder) == {"a": "640 2"}


def test_a_repository_that_is_not_there(shared: HgRepository, tmp_path: Path) -> None:
    source = fetched(shared, tmp_path / "fetched")
    with pytest.raises(GreenroomError, match=r"^abort: repository \S+/nowhere not found"):
        source.fetch(str(tmp_path / "nowhere"), SOON)
    assert source.resolve("live"), "what was fetched before is kept"
    with pytest.raises(GreenroomError, match=r"^abort: repository \S+/nowhere not found"):
        Mercurial(str(tmp_path / "first"), ME).fetch(str(tmp_path / "nowhere"), SOON)


def test_asking_without_fetching(shared: HgRepository, tmp_path: Path) -> None:
    source = Mercurial(str(tmp_path / "fetched"), ME)
    address = str(shared.work)
    assert source.ask(address, "live", SOON) == source.ask(address, "1", SOON) == shared.node("1")
    assert source.ask(address, "nowhere", SOON) == "nowhere"
    with pytest.raises(GreenroomError, match="not found"):
        source.ask(str(tmp_path / "nowhere"), "live", SOON)
    assert not source.is_fetched()


def test_a_fetch_that_was_killed(
    mercurial: str, shared: HgRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-way through it, with what it has written still to be taken back."""
    source = Mercurial(str(tmp_path / "fetched"), ME)
    stop = f"python:{tmp_path / 'stop.py'}:stop"
    (tmp_path / "stop.py").write_text(
        "import os, time\ndef stop(**_):\n    open(os.environ['THERE'], 'w')\n    time.sleep(60)\n"
    )
    subprocess.run(["hg", "init", source.path], check=True)
    pull = [mercurial, "-R", source.path, "pull", "--config", f"hooks.pretxnclose={stop}"]
    there = tmp_path / "there"
    environment = {**os.environ, "THERE": str(there)}
    with subprocess.Popen([*pull, str(shared.work)], env=environment) as killed:
        while not there.exists():
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
    os.unlink(f"{source.path}/.hg/wlock")  # of a process that is gone, as Mercurial can see
    os.symlink("elsewhere:1", f"{source.path}/.hg/wlock")
    running = True
    monkeypatch.setattr(hg, "_HG", ("hg", "--noninteractive", "--config", "ui.timeout=1"))
    monkeypatch.setattr(hg, "is_running", lambda *_: running)
    source.unlock()
    assert os.path.lexists(f"{source.path}/.hg/wlock"), "it may be in use"
    with pytest.raises(GreenroomError, match=r"abandoned transaction|timed out"):
        source.fetch(str(shared.work), SOON)
    running = False
    source.unlock()
    source.fetch(str(shared.work), SOON)
    assert source.resolve("live") == shared.node("1")
    source.unlock()


def test_a_server_that_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(GreenroomError, match=r"hg did not end within 0\.01 seconds"):
        Mercurial(str(tmp_path / "fetched"), ME).ask(str(tmp_path), "live", 0.01)
