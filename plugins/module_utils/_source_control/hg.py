# PRIVATE to the collection: asking a fetched Mercurial repository, and taking trees out of it.
from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._command import (
    is_running,
    must_run,
    run,
    tail,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._probe import RepositoryProbe
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import (
    Sandbox,
    owner,
    writing,
)
from ansible_collections.greenroom.django.plugins.module_utils._source_control.base import Source
from ansible_collections.greenroom.django.plugins.module_utils._source_control.hg_revisions import (
    CHANGESET,
    quoted,
    tips,
)

# Nobody is there to answer a question, and no setting of a person changes what a command prints.
_HG = ("hg", "--noninteractive", "--config", "ui.timeout=30")
_PLAIN = {"HGPLAIN": "1", "HGENCODING": "utf-8"}

_HASH = re.compile(r"[0-9a-f]{7,40}")
_NUMBER = re.compile(r"[0-9]{1,9}")


class Mercurial(Source):
    """A repository without a working copy at ``path``, which belongs to ``user``.

    Nothing here goes over the network, but for fetch() and ask().
    """

    packages = ("mercurial",)
    default_branch = "default"
    folder = "repository.hg"
    access_files = ("hgrc",)
    token_files = ("hg-credentials",)
    ssh_hint = (
        "To Mercurial, a path in ssh://… is as seen from the home of who logs in there; a whole "
        "path begins with two slashes."
    )
    hook_variables = ("HG_*",)
    counts = True
    probe = RepositoryProbe(
        folders=(".hg",),
        query="?cmd=capabilities",
        content_type="application/mercurial",
        commands=("hg -R {relative} serve --stdio", "hg -R {path} serve --stdio"),
        words="hello\n",
        answer=r"\d+\ncapabilities:",
    )
    untrack = "hg forget {0}, and a line in .hgignore"
    others = (".hgsub", "subrepositories")

    @staticmethod
    def settings_problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with short addresses of ssh: to Mercurial they would be paths."""
        found = []
        for name in ("app_repository", "checkout_controller_repository"):
            short = re.fullmatch(r"([^/:]+@[^/:]+):(.+)", str(settings.get(name)))
            if short:
                where, path = short.groups()
                found.append(
                    f"{name} is {str(settings[name])!r}, which is no address to Mercurial; it "
                    f"should be ssh://{where}/{path}"
                )
        return found

    @staticmethod
    def path_in_address(path: str) -> str:
        """An absolute path after ``ssh://host``: with one slash it would be below a home."""
        return f"/{path}"

    @staticmethod
    def access_variables(access: str) -> dict[str, str]:
        """The variables that lead a build to repositories, by the files in ``access``."""
        return {"HGRCPATH": os.path.join(access, ".hgrc")}

    @staticmethod
    def how_to_push(address: str, app_name: str, environment: str, branch: str) -> str:  # noqa: ARG004 - hg needs neither
        """What to type on one's own machine so that a push to ``address`` is a deploy."""
        return f"To deploy: hg push {address}/{app_name}"

    def __init__(self, path: str, user: str | Sandbox) -> None:
        self.path = path
        self.user = user
        self._names: dict[str, list[str]] = {}  # of the files in a revision
        self._found: dict[str, tuple[str, str]] = {}  # by what was asked for

    def is_fetched(self) -> bool:
        """Whether it was ever fetched."""
        return bool(
            as_user(owner(self.user), os.path.isdir, os.path.join(self.path, ".hg", "store"))
        )

    def unlock(self) -> None:
        """Take back the half of a fetch that was killed, or Mercurial would refuse the next one.

        A lock whose process is gone is none to it, unless another process has got its number.
        """
        if not self.is_fetched() or is_running("hg", self.user):
            return
        store = os.path.join(self.path, ".hg", "store")
        locks = [os.path.join(store, "lock"), os.path.join(self.path, ".hg", "wlock")]
        must_run("Removing locks", ["rm", "-f", "--", *locks], user=self.user)
        unfinished = as_user(owner(self.user), os.path.lexists, os.path.join(store, "journal"))
        if unfinished and self._hg("recover").returncode != 0:
            self._remove()  # it is a copy, and the next fetch makes another

    def fetch(self, repository: str, timeout: float) -> None:
        """Bring all that the repository at an address has, and keep nothing else.

        ``timeout`` is in seconds. Raises GreenroomError where it cannot be reached.
        """
        self._found.clear()
        if self.is_fetched():
            pulled = self._pull(repository, timeout)
            if pulled.returncode == 0 and not self._has_more_than(repository, timeout):
                return
            if pulled.returncode != 0 and "repository is unrelated" not in pulled.stderr:
                raise GreenroomError(tail(pulled.stderr))
            # Another repository, or commits that it no longer has: none can be deployed any more.
        self._remove()
        must_run("hg init", [*_HG, "init", self.path], user=self.user, environment=_PLAIN)
        pulled = self._pull(repository, timeout)
        if pulled.returncode != 0:
            raise GreenroomError(tail(pulled.stderr))

    def _remove(self) -> None:
        """Remove the copy, by another name first: half a copy would be taken for one."""
        old = f"{self.path}.old"
        must_run("Removing the old copy", ["rm", "-rf", "--", old], user=self.user)
        if as_user(owner(self.user), os.path.lexists, self.path):
            must_run("Migrating the old copy", ["mv", "-T", "--", self.path, old], user=self.user)
            must_run("Removing the old copy", ["rm", "-rf", "--", old], user=self.user)

    def ask(self, repository: str, rev: str, timeout: float) -> str:
        """The changeset that ``rev`` means in the repository at an address, and fetch nothing.

        It is ``rev`` itself where there is none of that name.
        """
        asked = run(
            [*_HG, "--debug", "identify", "--id", "--rev", rev, repository],
            user=self.user,
            environment=_PLAIN,
            timeout=timeout,
        )
        if "unknown revision" in asked.stderr:
            return rev
        if asked.returncode != 0:
            raise GreenroomError(tail(asked.stderr))
        return asked.stdout.split()[-1]

    def awaits(self, rev: str) -> bool:
        """Whether ``rev`` is a commit by its looks, and not here: one that a fetch would bring."""
        return bool(_HASH.fullmatch(rev)) and not (self.is_fetched() and self._find(rev)[1])

    def resolve(self, rev: str) -> str:
        """The full hash of the changeset that ``rev`` means.

        That is a local number, bookmark, tag, branch or hash, in the order in which Mercurial
        itself takes a name for one. Raises GreenroomError when it means none.
        """
        _, revision = self._find(rev)
        if not revision:
            bookmarks = self._hg("bookmarks", "--template", "{bookmark}\n").stdout.split()
            branches = self._hg("branches", "--template", "{branch}\n").stdout.splitlines()
            raise GreenroomError(
                f"The repository has no branch, bookmark, tag or changeset {rev!r}. "
                f"Its branches are: {', '.join(sorted(branches)[:10]) or 'none'}; "
                f"its bookmarks are: {', '.join(sorted(bookmarks)[:10]) or 'none'}."
            )
        return revision

    def meaning(self, rev: str) -> str:
        """What ``rev`` was taken for, where it could be several things; else nothing."""
        return self._find(rev)[0] if self.is_fetched() else ""

    def subject(self, revision: str) -> str:
        """The first line of a changeset's message."""
        return self._log(revision, "{desc|firstline}").strip()

    def tags(self, revision: str) -> list[str]:
        """The tags that are on a changeset; the newest of all is not called tip here."""
        tags = self._log(revision, "{tags % '{tag}\n'}").splitlines()
        return [tag for tag in tags if tag != "tip"]

    def between(self, old: str, new: str, count: int = 20) -> list[str]:
        """The changesets in ``new`` and not in ``old``, newest first: short hash and subject."""
        wanted = f"sort(only({quoted(new)}, {quoted(old)}), -rev)"
        template = "{node|short} {desc|firstline}\n"
        result = self._hg("log", "--rev", wanted, "--limit", str(count), "--template", template)
        return result.stdout.splitlines()

    def has(self, revision: str, path: str) -> bool:
        """Whether a revision has a file or folder of that name; it has the empty one."""
        return any(
            not path or name == path or name.startswith(f"{path}/")
            for name in self._files(revision)
        )

    def read(self, revision: str, path: str) -> str | None:
        """The text of a file in a revision, or None where there is no such file."""
        if path not in self._files(revision):
            return None
        return self._must("cat", "--rev", revision, f"path:{path}")

    def export(self, revision: str, folder: str) -> None:
        """Write the tree of a revision into an empty folder, and nothing of its history beside it.

        Its files are for their owner and group alone.
        """
        what = f"Taking revision {revision[:12]} out of the repository"
        archive = ["archive", "--type", "files", "--config", "ui.archivemeta=false"]
        must_run(
            what,
            [*_HG, "--repository", self.path, *archive, "--rev", revision, folder],
            user=writing(self.user, folder),
            environment=_PLAIN,
            umask=0o027,
        )
        # Of files, Mercurial knows only whether they can be run, and lets everybody read them.
        others = ["-type", "f", "-exec", "chmod", "o-rwx", "{}", "+"]
        must_run(what, ["find", folder, "-mindepth", "1", *others], user=writing(self.user, folder))

    def _find(self, rev: str) -> tuple[str, str]:
        """What ``rev`` means, in words, and the hash; two empty strings where it means nothing."""
        if rev not in self._found:
            self._found[rev] = self._look_for(rev)
        return self._found[rev]

    def _look_for(self, rev: str) -> tuple[str, str]:
        literal = quoted(f"literal:{rev}")
        sets = [
            f"present(bookmark({literal}))",
            f"present(tag({literal}))",
            f"(head() and present(branch({literal})))",
        ]
        sets += [f"rev({rev})"] if _NUMBER.fullmatch(rev) else []
        sets += [f"present(id({quoted(rev)}))"] if _HASH.fullmatch(rev) else []
        lines = self._hg("log", "--rev", " or ".join(sets), "--template", CHANGESET).stdout
        found = [json.loads(line) for line in lines.splitlines()]
        found = [changeset for changeset in found if changeset["rev"] >= 0]
        for means, those in (
            (f"the local number {rev}", [c for c in found if str(c["rev"]) == rev]),
            ("", [c for c in found if c["node"] == rev]),
            (f"the bookmark {rev}", [c for c in found if rev in c["bookmarks"]]),
            (f"the tag {rev}", [c for c in found if rev in c["tags"]]),
        ):
            if those:
                return means, those[0]["node"]
        for changeset in tips(rev, found):
            return f"the branch {rev}", changeset["node"]
        begin_so = [c["node"] for c in found if c["node"].startswith(rev)]
        return "", begin_so[0] if begin_so else ""

    def _files(self, revision: str) -> list[str]:
        """The names of a revision's files; none where there is no such revision."""
        if revision not in self._names:
            listed = self._hg("files", "--rev", quoted(revision), "--template", "{path}\\0")
            self._names[revision] = listed.stdout.split("\0")[:-1]
        return self._names[revision]

    def _pull(self, repository: str, timeout: float) -> subprocess.CompletedProcess[str]:
        # A bookmark that is gone there is gone here, and none is kept because it was moved back.
        address = ["--config", f"paths.default={repository}"]
        mirror = ["--config", "paths.default:bookmarks.mode=mirror"]
        return self._hg("pull", *address, *mirror, "default", timeout=timeout)

    def _has_more_than(self, repository: str, timeout: float) -> bool:
        """Whether there is something here that the repository at an address does not have."""
        more = f"outgoing({quoted(repository)}) or secret()"
        found = self._hg("log", "--rev", more, "--limit", "1", "--template", "x", timeout=timeout)
        if found.returncode != 0:
            raise GreenroomError(tail(found.stderr))
        return bool(found.stdout)

    def _log(self, revision: str, template: str) -> str:
        return self._must("log", "--rev", quoted(revision), "--template", template)

    def _hg(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [*_HG, "--repository", self.path, *arguments]
        return run(command, user=self.user, environment=_PLAIN, **options)

    def _must(self, *arguments: str) -> str:
        command = [*_HG, "--repository", self.path, *arguments]
        return must_run(f"hg {arguments[0]}", command, user=self.user, environment=_PLAIN)
