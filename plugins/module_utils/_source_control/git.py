# PRIVATE to the collection: asking a fetched git repository, and taking trees out of it.
from __future__ import annotations

import os
import re
import subprocess

from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._command import (
    is_running,
    must_run,
    run,
    tail,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._probe import RepositoryProbe
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import (
    Sandbox,
    owner,
    writing,
)
from ansible_collections.greenroom.django.plugins.module_utils._source_control.base import Source

# Nobody is there to answer a question; and what git tidies up, it does before it ends.
_GIT = ("git", "-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false")
_UNASKED = {"GIT_TERMINAL_PROMPT": "0"}


class Git(Source):
    """A bare repository at ``path``, which belongs to ``user``.

    Nothing here goes over the network, but for fetch() and ask().
    """

    packages = ("git",)
    default_branch = "main"
    folder = "repository"
    push_suffix = ".git"
    access_files = ("gitconfig",)
    token_files = ("git-credentials",)
    hook_variables = (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
    )
    counts = False
    probe = RepositoryProbe(
        folders=("objects", ".git"),
        query="/info/refs?service=git-upload-pack",
        content_type="application/x-git-upload-pack",
        commands=("git-upload-pack {path}",),
        words="0000",
        answer="[0-9a-f]{44} ",
    )
    untrack = "git rm --cached {0}, and a line in .gitignore"
    others = (".gitmodules", "submodules")

    @staticmethod
    def access_variables(access: str) -> dict[str, str]:
        """The variables that lead a build to repositories, by the files in ``access``."""
        return {
            "GIT_CONFIG_GLOBAL": os.path.join(access, ".gitconfig"),
            "GIT_SSH_COMMAND": f"ssh -F {os.path.join(access, '.ssh', 'config')}",
        }

    @staticmethod
    def how_to_push(address: str, app_name: str, environment: str, branch: str) -> str:
        """What to type on one's own machine so that a push to ``address`` is a deploy."""
        return (
            f"Once, where your code is: git remote add {environment} {address}/{app_name}.git\n"
            f"To deploy: git push {environment} {branch}"
        )

    def __init__(self, path: str, user: str | Sandbox) -> None:
        self.path = path
        self.user = user

    def is_fetched(self) -> bool:
        """Whether it was ever fetched."""
        return bool(as_user(owner(self.user), os.path.isdir, os.path.join(self.path, "objects")))

    def fetch(self, repository: str, timeout: float) -> None:
        """Bring all that the repository at an address has, and keep nothing else.

        ``timeout`` is in seconds. Raises GreenroomError where it cannot be reached.
        """
        if not self.is_fetched():
            must_run("git init", ["git", "init", "--quiet", "--bare", self.path], user=self.user)
        # A branch that is gone there is gone here, and so is all of another repository's.
        mirrored = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        fetch = [*_GIT, f"--git-dir={self.path}", "fetch", "--quiet", "--prune", "--force"]
        fetched = run(
            [*fetch, "--no-recurse-submodules", "--", repository, *mirrored],
            user=self.user,
            environment=_UNASKED,
            timeout=timeout,
        )
        if fetched.returncode != 0:
            raise GreenroomError(tail(fetched.stderr))

    def ask(self, repository: str, rev: str, timeout: float) -> str:
        """The commit that ``rev`` means in the repository at an address, and fetch nothing.

        It is ``rev`` itself where there is none of that name.
        """
        # As git itself has it, a tag goes before a branch; and a tag's commit before the tag.
        names = [f"refs/tags/{rev}^{{}}", f"refs/tags/{rev}", f"refs/heads/{rev}"]
        asked = run(
            [*_GIT, "ls-remote", "--quiet", "--", repository, *names],
            user=self.user,
            environment=_UNASKED,
            timeout=timeout,
        )
        if asked.returncode != 0:
            raise GreenroomError(tail(asked.stderr))
        found = dict(line.split("\t", 1)[::-1] for line in asked.stdout.splitlines())
        return next((found[name] for name in names if name in found), rev)

    def unlock(self) -> None:
        """Take away the locks of a fetch that was killed, or git would refuse the next one.

        As the build user, since what it owns could lead root elsewhere. One that took too long for
        its run, and was left to itself, keeps its own.
        """
        if self.is_fetched() and not is_running("git", self.user):
            locks = ["-name", "*.lock", "-not", "-path", "*/objects/*"]
            must_run(
                "Looking for locks of a fetch that was killed",
                ["find", self.path, *locks, "-delete"],
                user=self.user,
            )

    def awaits(self, rev: str) -> bool:
        """Whether ``rev`` is a commit by its looks, and not here: one that a fetch would bring."""
        if not re.fullmatch(r"[0-9a-f]{7,40}", rev):
            return False
        commit = f"{rev}^{{commit}}"
        return not self.is_fetched() or self._git("cat-file", "-e", commit).returncode != 0

    def resolve(self, rev: str) -> str:
        """The full hash of the commit that ``rev`` (a branch, tag or commit) means.

        Raises GreenroomError when it means none.
        """
        result = self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"
        )
        if result.returncode != 0:
            branches = self._git(
                "for-each-ref", "--format=%(refname:short)", "refs/heads", "--count=10"
            )
            raise GreenroomError(
                f"The repository has no branch, tag or commit {rev!r}. "
                f"Its branches are: {', '.join(branches.stdout.split()) or 'none'}."
            )
        return result.stdout.strip()

    def meaning(self, rev: str) -> str:  # noqa: ARG002 - it is the same for all
        """Nothing: git itself has a say in what a name means, and a number means none."""
        return ""

    def subject(self, revision: str) -> str:
        """The first line of a commit's message."""
        return self._must("log", "-1", "--format=%s", revision).strip()

    def tags(self, revision: str) -> list[str]:
        """The tags that are on a commit."""
        return self._must("tag", "--points-at", revision).split()

    def between(self, old: str, new: str, count: int = 20) -> list[str]:
        """The commits in ``new`` and not in ``old``, newest first: short hash and subject."""
        result = self._git("log", f"--max-count={count}", "--format=%h %s", f"{old}..{new}")
        return result.stdout.splitlines()

    def has(self, revision: str, path: str) -> bool:
        """Whether a revision has a file or folder of that name; it has the empty one."""
        return self._git("cat-file", "-e", f"{revision}:{path}").returncode == 0

    def read(self, revision: str, path: str) -> str | None:
        """The text of a file in a revision, or None where there is no such file."""
        result = self._git("cat-file", "blob", f"{revision}:{path}")
        return result.stdout if result.returncode == 0 else None

    def export(self, revision: str, folder: str) -> None:
        """Write the tree of a revision into an empty folder, and nothing of git beside it.

        Its files are for their owner and group alone.
        """
        index = os.path.join(self.path, "greenroom.index")
        as_user(owner(self.user), _forget, index)  # of a run that was killed
        must_run(
            f"Taking revision {revision[:12]} out of the repository",
            [
                "git",
                f"--git-dir={self.path}",
                f"--work-tree={folder}",
                "checkout",
                "--force",
                revision,
                "--",
                ".",
            ],
            user=writing(self.user, folder),
            cwd=folder,
            environment={"GIT_INDEX_FILE": index},
            umask=0o027,
        )
        as_user(owner(self.user), _forget, index)

    def _git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(["git", f"--git-dir={self.path}", *arguments], user=self.user)

    def _must(self, *arguments: str) -> str:
        return must_run(
            f"git {arguments[0]}", ["git", f"--git-dir={self.path}", *arguments], user=self.user
        )


def _forget(index: str) -> None:
    """As the user whose it is: remove an index, and the lock of one that was being written."""
    remove(index)
    remove(f"{index}.lock")
