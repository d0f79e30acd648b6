# PRIVATE to the collection: the sandbox of a command that runs code of an app or of its build.
#
# bubblewrap gives it namespaces of its own: of processes, so that all that it started ends with it
# and it sees nobody else's; of mounts, so that it writes where it has to, and nowhere else. Root's
# own processes in there are a shell that waits, and setpriv, which gives up all power. They are
# given nothing of the command's: its variables, which the dynamic linker obeys, and its folder,
# which could be a link, come into effect when the process is the user's already.
from __future__ import annotations

import fcntl
import grp
import os
import pwd
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from ansible_collections.greenroom.django.plugins.module_utils import _init_system
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import read_file
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

PROGRAM = "bwrap"

# The variable of a unit that is a sandbox itself, which lets none be made in it, and ends all that
# was started in it.
CONFINED = "GREENROOM_CONFINED"

_TEMPORARY = "/var/tmp"

# Where people keep what is theirs. The unit of a release does not see it either (ProtectHome).
_HOMES = ("/home", "/root", "/run/user")

# The first process: when it ends, the kernel ends all others before anybody learns of it. It alone
# keeps the descriptors that are to be held for as long as one of them is there.
_WAIT = '"$@" {closed}\nstatus=$?\n{then}exit $status\n'

# Where the kernel counts what it killed for its memory: in the control group of version 2, or 1.
_LOOK_AT_MEMORY = """\
test $status = 0 || while IFS=: read -r _ kind path; do
case $kind in
"") file=/sys/fs/cgroup$path/memory.events;;
memory) file=/sys/fs/cgroup/memory$path/memory.oom_control;;
*) continue;;
esac
grep -qs '^oom_kill [1-9]' "$file" && echo '{said}' >&2
done </proc/self/cgroup
"""
OUT_OF_MEMORY = "greenroom: killed for its memory"

# Processes and threads of a build: far more than one needs, and far fewer than stop a host.
_TASKS = 4096

_POWERLESS = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


@dataclass(frozen=True)
class Sandbox:
    """What a command is confined to. The whole host is there to be read, as far as the user may.

    ``group`` is the primary group and ``home`` the home, where those are not the user's own.
    ``hidden`` are the folders that look empty, ``writable`` those that can be written to, and
    ``shown`` those that can not, though they are inside of one of these. ``memory_max`` is as in
    MemoryMax of a unit, empty for no limit.
    """

    user: str
    group: str = ""
    home: str = ""
    hidden: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    network: bool = True
    memory_max: str = ""

    def writing(self, *folders: str) -> Sandbox:
        """The same, which can write to more folders."""
        return replace(self, writable=(*self.writable, *folders))

    def with_memory(self, most: str) -> Sandbox:
        """The same, in which all together have so much memory at most."""
        return replace(self, memory_max=most)

    def without_network(self) -> Sandbox:
        """The same, which reaches nothing but the host's own files."""
        return replace(self, network=False)

    @contextmanager
    def command(
        self,
        argv: Sequence[str],
        cwd: str,
        variables: Mapping[str, str],
        kept: Sequence[int],
    ) -> Iterator[tuple[list[str], list[int]]]:
        """What root runs to have ``argv`` run in here, and the descriptors that it inherits.

        ``kept`` are held until all has ended, and the command does not get them.
        """
        user = pwd.getpwnam(self.user)
        with ExitStack() as ended:
            held = [_low(number, ended) for number in kept]
            begin = _low(_begin(cwd, variables, user.pw_uid, ended), ended)
            # On the disk: what is written to a folder in memory could take all of it.
            temporary = tempfile.mkdtemp(prefix="greenroom-", dir=_TEMPORARY)
            ended.callback(_remove, temporary)
            os.chown(temporary, user.pw_uid, user.pw_gid)
            closed = " ".join(f"{number}<&-" for number in held)
            then = _LOOK_AT_MEMORY.replace("{said}", OUT_OF_MEMORY) if self.memory_max else ""
            wait = _WAIT.replace("{closed}", closed).replace("{then}", then)
            # The usual shell is the faster one, and knows no descriptor of more than one digit.
            shell = "sh" if max(begin, *held, 0) < 10 else "bash"
            first = self.confine(user, temporary, [shell, "-c", wait, "sh"])
            begun = [shell, "-c", f'. /dev/fd/{begin}; exec "$@" {begin}<&-', "sh"]
            yield [*first, *begun, *argv], [*held, begin]

    def confine(self, user: pwd.struct_passwd, temporary: str, first: Sequence[str]) -> list[str]:
        """What goes before a command of the user's: the sandbox, with its ``first`` process."""
        if os.environ.get(CONFINED) == "unit":
            return [*first, *self._identity(user)]
        namespaces = self._namespaces(temporary)
        return [*self._limits(), *namespaces, "--", *first, *self._identity(user)]

    def _limits(self) -> list[str]:
        """A control group of its own, whose end is the command's end."""
        if not self.memory_max or not _init_system.has_units():
            return []
        limits = [f"MemoryMax={self.memory_max}", f"TasksMax={_TASKS}"]
        scope = ["systemd-run", "--quiet", "--collect", "--scope"]
        return [*scope, *(f"--property={limit}" for limit in limits), "--"]

    def _namespaces(self, temporary: str) -> list[str]:
        there = [folder for folder in (*_HOMES, *self.hidden) if _is_folder(folder)]
        return [
            *(PROGRAM, "--unshare-pid", "--as-pid-1", "--unshare-ipc"),
            *(() if self.network else ("--unshare-net",)),
            *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--chdir", "/"),
            *(word for folder in there for word in ("--tmpfs", folder)),
            *(word for place in ("/tmp", "/var/tmp") for word in ("--bind", temporary, place)),
            *(word for path in self.writable for word in ("--bind", path, path)),
            *(word for path in self.shown for word in ("--ro-bind", path, path)),
        ]

    def _identity(self, user: pwd.struct_passwd) -> list[str]:
        try:
            group = grp.getgrnam(self.group).gr_gid if self.group else user.pw_gid
        except KeyError:
            raise GreenroomError(
                f"The group {self.group} is not on this host. Run site.yml."
            ) from None
        groups = ",".join(str(number) for number in os.getgrouplist(self.user, user.pw_gid))
        who = [f"--reuid={user.pw_uid}", f"--regid={group}", f"--groups={groups}"]
        return ["setpriv", *who, *_POWERLESS, "--"]


def writing(user: str | Sandbox, *folders: str) -> str | Sandbox:
    """The same, which can write to more folders where it is a sandbox."""
    return user.writing(*folders) if isinstance(user, Sandbox) else user


def owner(user: str | Sandbox) -> str:
    """The name of the user that a command is run as."""
    return user.user if isinstance(user, Sandbox) else user


def confine_build(app: App, fetched: Sequence[str], made: Sequence[str]) -> Sandbox:
    """That of a build, which writes to its home and to what is ``made``, not to ``fetched``."""
    shown = tuple(folder for folder in fetched if _is_folder(folder))
    return Sandbox(app.builder, hidden=_other_apps(app), writable=(app.build, *made), shown=shown)


def source_sandbox(app: App, repository: str = "") -> Sandbox:
    """That of a source control, whose settings are root's: no build has a say in a fetch.

    ``repository`` is the address to fetch from, which may be a path; without, it has no network.
    """
    path = repository[len("file://") :] if repository.startswith("file://") else repository
    return Sandbox(
        app.builder,
        home=app.access,
        hidden=_other_apps(app),
        writable=(app.build,),
        shown=(path,) if path.startswith("/") and os.path.isdir(path) else (),
        network=bool(repository),
    )


def app_sandbox(app: App) -> Sandbox:
    """That of the app's own code, outside of its service: what the unit of a release may, it may.

    Its primary group is one that nothing else has, so that the kernel keeps the processes of the
    service, which are the same user's, from looking into these and from becoming one of them.
    """
    folders = (app.shared, app.run, *_of_the_settings(app))
    there = tuple(folder for folder in folders if os.path.isdir(folder))
    return Sandbox(app.user, app.django_group, hidden=_other_apps(app), writable=there)


def _of_the_settings(app: App) -> list[str]:
    """The folders that the app writes to besides its own, as site.yml wrote them down."""
    try:
        return read_file(app.writable_paths).splitlines()
    except FileNotFoundError:
        return []


def _other_apps(app: App) -> tuple[str, ...]:
    """The homes of the other apps on the host."""
    parent = os.path.dirname(app.home)
    homes = [os.path.join(parent, name) for name in os.listdir(parent)]
    return tuple(
        home for home in homes if home != app.home and os.path.isdir(os.path.join(home, "releases"))
    )


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _begin(cwd: str, variables: Mapping[str, str], uid: int, ended: ExitStack) -> int:
    """A file without a name, which only the user can read: the shell's words to begin with."""
    words = [f"cd -- {shlex.quote(cwd)} || exit 126", "unset OLDPWD"]
    words += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    file = ended.enter_context(os.fdopen(os.memfd_create("greenroom"), "w", encoding="utf-8"))
    file.write("\n".join(words))
    file.flush()
    os.fchown(file.fileno(), uid, -1)
    os.fchmod(file.fileno(), 0o400)
    return file.fileno()


def _remove(temporary: str) -> None:
    """Remove a folder that a command could write to, or put something else in the place of."""
    with Folder.open(_TEMPORARY) as folder:
        folder.remove(os.path.basename(temporary))


def _low(number: int, ended: ExitStack) -> int:
    """The same descriptor by the lowest number that is free."""
    low = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    ended.callback(os.close, low)
    return low
