"""Real repositories for unit tests, of git and of Mercurial."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

WHO = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]


class Repository:
    """A working tree on the branch ``live``, and a bare clone of it, such as a host has."""

    def __init__(self, work: Path, bare: Path) -> None:
        self.work, self.bare = work, bare
        work.mkdir()
        self.git("init", "--quiet", "--initial-branch=live")

    def git(self, *arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "HOME": "/", "GIT_CONFIG_NOSYSTEM": "1"}
        return subprocess.run(
            ["git", *WHO, *arguments],
            cwd=self.work,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def commit(self, message: str, files: dict[str, str]) -> str:
        """Commit all that there is, with these files too; the hash."""
        for name, content in files.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def fetch(self) -> None:
        """Bring the bare clone up to date."""
        if not self.bare.exists():
            self.git("clone", "--quiet", "--bare", str(self.work), str(self.bare))
        self.git("push", "--quiet", "--force", "--mirror", str(self.bare))


class HgRepository:
    """A working copy of Mercurial, on the branch ``live``."""

    def __init__(self, work: Path) -> None:
        self.work = work
        work.mkdir()
        self.hg("init")
        self.hg("branch", "live")

    def copy(self, work: Path) -> HgRepository:
        """Another one like it, in less time than it took to make."""
        shutil.copytree(self.work, work, symlinks=True)
        other = HgRepository.__new__(HgRepository)
        other.work = work
        return other

    def hg(self, *arguments: str) -> str:
        # Only an extension that comes with Mercurial can take a changeset away again.
        environment = {"PATH": os.environ["PATH"], "HOME": "/", "HGPLAIN": "1", "HGRCPATH": ""}
        return subprocess.run(
            ["hg", "--config", "ui.username=Ada", "--config", "extensions.strip=", *arguments],
            cwd=self.work,
            env={**environment, "HGENCODING": "utf-8"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def commit(self, message: str, files: dict[str, str]) -> str:
        """Commit all that there is, with these files too; the hash."""
        for name, content in files.items():
            (self.work / name).parent.mkdir(parents=True, exist_ok=True)
            (self.work / name).write_text(content)
        self.hg("commit", "--quiet", "--addremove", "--message", message)
        return self.node(".")

    def branch(self, name: str, start: str) -> None:
        """Go on from a changeset, on a branch that is new."""
        self.hg("update", "--clean", "--rev", start)
        self.hg("branch", "--force", name)

    def node(self, rev: str) -> str:
        """The hash of a changeset."""
        return self.hg("log", "--rev", rev, "--template", "{node}")
