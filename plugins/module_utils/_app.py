# PRIVATE to the collection: where the things of an app are on a host.
from __future__ import annotations

import os
import re

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

# What begins the name of a snapshot that was carried from live, for as long as a rehearsal lasts.
CARRIED = "live-"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,23}\Z")


class App:
    """The rooms of one app on a host, by its name. All paths are absolute strings.

    ``root`` can be moved for unit tests; on a host it is ``/``.
    Raises GreenroomError for a name that cannot be a user, a folder and a unit at once.
    """

    def __init__(self, name: str, root: str = "/") -> None:
        if not _NAME.match(name):
            raise GreenroomError(
                f"app_name is {name!r}; it should be up to 24 lower-case letters, digits and "
                "hyphens, starting with a letter."
            )
        self.name = name
        self.user = name  # runs the app, and owns its data
        self.builder = f"{name}-build"  # makes releases, and owns their code
        self.web = f"{name}-web"  # the group that may see what the app shows
        self.django_group = f"{name}-django"  # of the app's code outside of its service
        self.home = os.path.join(root, "srv", name)
        self.releases = os.path.join(self.home, "releases")
        self.venvs = os.path.join(self.home, "venvs")
        self.shared = os.path.join(self.home, "shared")
        self.build = os.path.join(self.home, "build")
        self.current = os.path.join(self.home, "current")
        self.journal = os.path.join(self.home, "journal.json")
        self.backups = os.path.join(self.home, "backups")
        self.lock = os.path.join(self.home, "lock.json")
        # While it is there, the web server answers 503.
        self.maintenance = os.path.join(self.home, "maintenance")
        self.etc = os.path.join(root, "etc", name)
        self.database_environment = os.path.join(self.etc, "database.env")
        # How the build user reaches the repository: keys, tokens and settings, which root writes.
        self.access = os.path.join(self.home, "access")
        self.writable_paths = os.path.join(self.etc, "writable-paths")
        self.run = os.path.join(root, "run", name)

    def release(self, number: int) -> str:
        """The tree of release ``number``."""
        return os.path.join(self.releases, str(number))

    def backstage(self, number: int) -> str:
        """The folder in a release's tree that holds what Greenroom adds to the app's own files."""
        return os.path.join(self.release(number), ".greenroom")

    def open_backstage(self, number: int) -> Folder:
        """The same folder, opened. It is root's from its first moment.

        Raises GreenroomError where a build put something else in its place.
        """
        backstage = Folder.open(self.releases, f"{number}/.greenroom")
        if not backstage.is_ours():
            with backstage:
                raise GreenroomError(f"{backstage.path} was replaced by a build, and is not used.")
        return backstage

    def environment(self, number: int) -> str:
        """The environment file of release ``number``."""
        return os.path.join(self.etc, f"{number}.env")

    def socket(self, number: int) -> str:
        """The green room of release ``number``."""
        return os.path.join(self.run, f"{number}.sock")

    def carried(self) -> list[str]:
        """The snapshots that a rehearsal carried here, with live's data as it was there."""
        names = os.listdir(self.backups) if os.path.isdir(self.backups) else []
        return [os.path.join(self.backups, name) for name in names if name.startswith(CARRIED)]

    def serving(self) -> int | None:
        """The number of the release that is on stage, or None where there is none yet."""
        try:
            target = os.path.basename(os.readlink(self.current))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise GreenroomError(
                f"{self.current} should be a symbolic link to a release, and is none "
                f"({error.strerror}). {self._way_out}"
            ) from error
        if not target.isdigit():
            raise GreenroomError(
                f"{self.current} points at {target!r}, which is not a release. {self._way_out}"
            )
        return int(target)

    @property
    def _way_out(self) -> str:
        return (
            f"Remove it (rm -r {self.current}), and deploy; or have the release that "
            f"{self.journal} names last serve again (ln -s releases/NUMBER {self.current}), and "
            "deploy then."
        )

    def virtualenvs_in_use(self, but_for: str = "") -> set[str]:
        """The names of the virtualenvs that releases have, but for the one in a tree.

        The folder is asked, and not the journal: a tree that is there can be gone to.
        """
        trees = [os.path.join(self.releases, name) for name in os.listdir(self.releases)]
        links = [os.path.join(tree, ".venv") for tree in trees if tree != but_for]
        return {os.path.basename(os.readlink(link)) for link in links if os.path.islink(link)}

    def put_on_stage(self, number: int) -> None:
        """Point ``current`` at release ``number``: one rename, so there is no moment without one.

        The web server finds both the socket and the static files below ``current``, at every
        request, so this is the whole handover.
        """
        replace_link(self.current, os.path.join("releases", str(number)))


def replace_link(path: str, target: str) -> None:
    """Make ``path`` a symbolic link to ``target``, atomically where it was one before."""
    beside = f"{path}.new"
    if os.path.lexists(beside):
        os.unlink(beside)
    os.symlink(target, beside)
    os.replace(beside, path)
