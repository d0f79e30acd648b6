"""Real git repositories for unit tests."""

from __future__ import annotations

import os
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
