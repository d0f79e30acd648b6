"""The example site's repository, as a developer has it: a working copy, and a bare one on a host.

Only the standard library is used, so that this runs before anything is installed.
"""

from __future__ import annotations

import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host import CHECKOUT, Host, command, key

#: where the host keeps the bare repository that it deploys from
ON_HOST = "/srv/git/playbill.git"


@dataclass(frozen=True)
class Example:
    """A working copy of the example site, with its history v1 to v6 (see examples/README.md)."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> Example:
        """Make the repository in path, a folder that is new or empty."""
        command(CHECKOUT / "examples" / "make-repository", path)
        return cls(path)

    def git(self, *arguments: str) -> str:
        """Run git in the working copy, and return what it printed; raises HostError on failure."""
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
        author = ("-c", "user.name=Stage Manager", "-c", "user.email=stage@example.org")
        return command("git", "-C", self.path, *author, *arguments, env=environment).stdout.strip()

    def publish(self, host: Host) -> None:
        """Make the bare repository on the host, which needs git, and push everything to it."""
        if host.run(["test", "-d", ON_HOST], check=False).returncode:
            host.run(["install", "-d", "-o", "deploy", "-g", "deploy", str(Path(ON_HOST).parent)])
            host.run(
                ["git", "init", "--quiet", "--bare", "--initial-branch=main", ON_HOST],
                user="deploy",
            )
        self.follow(host)
        self.push()

    def follow(self, host: Host) -> None:
        """Make plain `git push` go to this host, from a terminal too."""
        self.git(
            "config", "core.sshCommand", shlex.join(["ssh", *host.ssh_options, "-i", str(key())])
        )
        self.git("config", "remote.origin.url", f"ssh://deploy@{host.address}{ON_HOST}")
        self.git("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
        self.git("config", "push.default", "current")

    def introduce(self) -> None:
        """Let `git commit` work for somebody who has not told git a name yet."""
        if command("git", "-C", self.path, "config", "user.email", check=False).returncode:
            self.git("config", "user.name", "Stage Manager")
            self.git("config", "user.email", "stage@example.org")

    def push(self) -> None:
        """Send every branch and tag to the host, also where history was rewritten."""
        self.git("push", "--quiet", "--force", "--all", "origin")
        self.git("push", "--quiet", "--force", "--tags", "origin")

    def set_branch(self, branch: str, revision: str) -> None:
        """Make a branch point to a revision, here and on the host, wherever it pointed before."""
        self.git(
            "push", "--quiet", "--force", "origin", f"{revision}^{{commit}}:refs/heads/{branch}"
        )
        if self.git("rev-parse", "--abbrev-ref", "HEAD") == branch:
            self.git("reset", "--quiet", "--hard", revision)
        else:
            self.git("branch", "--quiet", "--force", branch, revision)

    def commit(
        self, files: dict[str, str], message: str = "A change", branch: str = "staging"
    ) -> str:
        """Write files, commit them on a branch, push it, and return the commit's hash.

        files: {path: content}
        """
        self.git("switch", "--quiet", branch)
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            self.git("add", "--force", name)
        self.git("commit", "--quiet", "--message", message)
        self.git("push", "--quiet", "--force", "origin", branch)
        return self.git("rev-parse", "HEAD")


def provision(host: Host, folder: Path) -> Example:
    """Run site.yml on a bare host and put the example's repository there.

    Args:
        host: the host
        folder: an empty folder for the inventory, `staging`, and the working copy, `playbill`
    """
    host.inventory(folder / "staging", **settings("localhost", host.address))
    host.playbook("site.yml")
    example = Example.make(folder / "playbill")
    example.publish(host)
    return example


def settings(*names: str) -> dict[str, Any]:
    """Return the inventory variables with which a host deploys the example site.

    names: the host names and addresses that it answers to
    """
    return {
        "app_name": "playbill",
        "app_repository": ON_HOST,
        "app_domains": list(names),
        "app_health_path": "/health/",
        "app_env": {"SECRET_KEY": secrets.token_urlsafe(40), "ALLOWED_HOSTS": ",".join(names)},
    }
