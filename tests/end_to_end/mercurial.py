"""The example site's history in a Mercurial repository, which a developer pushes to over ssh."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from example import Example
from host import CHECKOUT, Host, command, key

#: where the host keeps the repository that it deploys from
ON_HOST = "/srv/hg/playbill"


class HgExample:
    """A working copy that pushes to a host, to be used as an Example is.

    example: the same site in git, which has the versions v1 to v6
    folder: where the working copy goes, and what Mercurial is told about its user
    """

    def __init__(self, host: Host, example: Example, folder: Path) -> None:
        command(CHECKOUT / "tools" / "packages", "mercurial")
        self.example, self.work, self.hgrc = example, folder / "work", folder / "hgrc"
        self.env = {**os.environ, "HGRCPATH": str(self.hgrc)}
        self.follow(host)

    def follow(self, host: Host) -> None:
        """Push to this host from here on; it has another address after a boot."""
        ssh = shlex.join(["ssh", *host.ssh_options, "-i", str(key())])
        self.hgrc.write_text(f"[ui]\nusername = Ada\nssh = {ssh}\n")
        self.pushed_to = f"ssh://deploy@{host.address}/{ON_HOST}"

    def make(self, host: Host) -> None:
        """Make both repositories, the one on the host, which has Mercurial, and the one here."""
        host.run(["install", "-d", "-o", "deploy", str(Path(ON_HOST).parent)])
        host.run(["hg", "init", ON_HOST], user="deploy")
        command("hg", "init", self.work)

    def hg(self, *arguments: str) -> str:
        """Run Mercurial in the working copy."""
        return command("hg", "-R", self.work, *arguments, env=self.env).stdout.strip()

    def put(self, version: str) -> None:
        """Have the files of a version of the example in the working copy, and no others."""
        for entry in self.work.iterdir():
            if entry.name not in (".hg", ".hgtags"):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.example.git(f"--work-tree={self.work}", "checkout", "--force", version, "--", ".")

    def commit(self, files: dict[str, str], message: str = "A change") -> str:
        """Write files, commit what has changed in the working copy, push it; the changeset's hash.

        files: {path: content}
        """
        for name, text in files.items():
            (self.work / name).write_text(text)
        self.hg("addremove", "--quiet")
        if self.hg("status"):
            self.hg("commit", "--message", message)
        self.push()
        return self.hg("log", "--rev", ".", "--template", "{node}")

    def set_branch(self, branch: str, version: str) -> None:
        """Have the tip of a branch be a version of the example."""
        if self.hg("branch") != branch:
            self.hg("branch", branch)
        self.put(version)
        self.commit({}, f"Go to {version}")

    def push(self, *arguments: str) -> None:
        """Send all that there is."""
        push = ("hg", "-R", str(self.work), "push", "--new-branch", *arguments, self.pushed_to)
        assert command(*push, check=False, env=self.env).returncode in (0, 1)  # 1: it has all
