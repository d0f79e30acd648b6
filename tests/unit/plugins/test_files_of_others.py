"""Root resolves no name where somebody else can write: the code has the shape that makes it so.

All files in trees of releases, virtualenvs, shared/, build/, push/ and /run/APP are reached by
_tree.Folder, or as the user whose they are. Everywhere else, what works on files by their names is
listed here, with the reason why nobody but root can change those names.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[3] / "plugins"

#: modules whose functions work on files by name, and functions of such modules that do not
BY_NAME = {"os", "shutil", "glob", "tempfile", "os.path"}
HARMLESS = {
    "os": "_exit close dup dup2 fchmod fchown fdopen fork fspath fstat fsync ftruncate getcwd"
    " getegid getenv geteuid getgid getgrouplist getpid getuid initgroups kill killpg memfd_create"
    " pipe read"
    " set_blocking setgid setgroups setuid sysconf umask urandom waitpid write",
    "os.path": "abspath basename commonpath dirname expanduser isabs join normpath relpath split"
    " splitext",
    "shutil": "copyfileobj",
    "glob": "escape",
    "tempfile": "",
}
#: methods of a pathlib.Path, none of which has another meaning in our modules
METHODS = {"read_text", "write_text", "read_bytes", "write_bytes", "iterdir", "rglob", "unlink"}
METHODS |= {"rmdir", "symlink_to", "hardlink_to", "touch", "chmod", "lchmod", "open"}
#: our own functions that work on files by name
OURS = {"read_file", "write_file", "write_json", "remove", "replace_link", "read_text"}

ETC = "/etc/APP, which is root's"
HOME = "/srv/APP itself, which is root's; of its folders only the names"
BACKUPS = "backups/, which root alone enters"
ENGINES = "/usr/local/lib/greenroom, which is root's"
HOST = "the host's own folders, and /proc"
AS_THE_USER = "runs as the user whose files these are"

# File by file: what it may do by name, and why nobody can lead it elsewhere.
ALLOWED: dict[str, tuple[str, str]] = {
    "module_utils/_app.py": (
        HOME,
        "os.listdir os.path.isdir os.path.islink os.path.lexists os.readlink os.replace os.symlink"
        " os.unlink replace_link",
    ),
    "module_utils/_as_user.py": ("/dev/null and /proc", "os.listdir os.open os.chdir"),
    "module_utils/_backup.py": (BACKUPS, "remove"),
    "module_utils/_command.py": (HOST, "open os.listdir os.stat"),
    "module_utils/_database/base.py": (BACKUPS, "os.open"),
    "module_utils/_database/postgresql.py": (
        f"{BACKUPS}; and a temporary file, which is open",
        "open tempfile.NamedTemporaryFile",
    ),
    "module_utils/_database/postgresql_client.py": (
        "a temporary file, which is open",
        "tempfile.TemporaryFile",
    ),
    "module_utils/_database/sqlite.py": (BACKUPS, "open"),
    "module_utils/_database/sqlite_process.py": (AS_THE_USER, "*"),
    "module_utils/_django.py": (ETC, "os.path.exists read_file"),
    "module_utils/_django_process.py": (AS_THE_USER, "*"),
    "module_utils/_engine/engine.py": (ENGINES, "os.chdir os.open"),
    "module_utils/_engine/install.py": (
        ENGINES,
        "open .open os.chmod os.execv os.makedirs os.open os.path.exists os.path.isdir"
        " os.path.realpath os.rename os.scandir os.sync shutil.rmtree tempfile.TemporaryDirectory"
        " tempfile.mkdtemp",
    ),
    "module_utils/_files.py": (
        "what the others give it",
        "open os.open os.path.isdir os.path.islink os.path.lexists os.replace os.unlink"
        " shutil.rmtree write_file",
    ),
    "module_utils/_host.py": (
        HOST,
        "open os.listdir os.path.isdir os.statvfs shutil.which",
    ),
    "module_utils/_host_services.py": (HOST, "glob.glob os.path.lexists"),
    "module_utils/_http.py": ("of a socket, whose owner is compared", "os.lstat"),
    "module_utils/_init_system.py": (HOST, "os.path.isdir"),
    "module_utils/_journal.py": (HOME, "open write_json"),
    "module_utils/_lock.py": (
        f"{HOME}; and /proc",
        "open os.listdir os.open os.path.exists os.path.realpath os.readlink os.stat os.unlink"
        " os.utime write_json",
    ),
    "module_utils/_maintenance.py": (HOME, "os.path.lexists remove write_file"),
    "module_utils/_marks_process.py": (AS_THE_USER, "*"),
    "module_utils/_ports.py": ("/proc", "open os.listdir os.readlink os.scandir"),
    "module_utils/_prune.py": (f"{HOME}; and /etc/APP", "os.listdir remove"),
    "module_utils/_push/common.py": (AS_THE_USER, "open"),
    "module_utils/_push/program.py": (HOME, "open os.open os.readlink"),
    "module_utils/_requirements.py": (
        "a virtualenv that is sealed; and as the build user",
        "glob.glob os.path.exists os.path.isfile read_text",
    ),
    "module_utils/_service/launched.py": (
        "/var/log, where root alone makes logs",
        "open os.listdir os.path.isdir os.stat remove",
    ),
    "module_utils/_service/mod_wsgi.py": (
        f"{ETC}; /run/greenroom, and /proc",
        "os.listdir os.makedirs os.path.exists os.path.realpath os.readlink"
        " read_file remove replace_link",
    ),
    "module_utils/_service/supervisor.py": (
        f"{ETC}; and {HOST}",
        "os.listdir os.makedirs os.path.exists os.path.isdir os.path.islink os.path.lexists"
        " read_file remove replace_link write_file",
    ),
    "module_utils/_service/systemd.py": (
        HOST,
        "os.listdir os.path.exists os.path.isdir os.path.lexists remove",
    ),
    "module_utils/_service/upstart.py": (
        HOST,
        "os.path.exists os.path.lexists read_file remove shutil.which write_file",
    ),
    "module_utils/_recovery.py": (BACKUPS, "remove"),
    "module_utils/_shared.py": (AS_THE_USER, "*"),
    "module_utils/_probe.py": ("looked at only, and nothing is read", "os.path.exists"),
    "module_utils/_snapshot.py": (
        BACKUPS,
        "open os.chmod os.listdir os.makedirs os.mkdir os.open os.path.exists os.path.getsize"
        " os.path.isdir os.rename os.stat os.statvfs read_file remove shutil.which write_json",
    ),
    "module_utils/_source_control/git.py": (AS_THE_USER, "remove"),
    "module_utils/_tree.py": (
        "from a descriptor, and following no link: this is the module that does it",
        "*",
    ),
    "module_utils/_sandbox.py": (
        f"{ETC}; {HOME}; and its own new folder in /var/tmp, which is sticky",
        "os.chown os.listdir os.path.isdir os.path.islink read_file tempfile.mkdtemp",
    ),
    "module_utils/_seal.py": ("from a descriptor", "os.lstat os.open"),
    "module_utils/_web_server/base.py": (HOST, "glob.glob open os.path.lexists"),
    "module_utils/_web_server/serving.py": (
        HOST,
        "os.path.lexists os.replace remove replace_link",
    ),
    "modules/revert.py": (HOME, "os.path.lexists os.unlink"),
    "modules/lock.py": (HOME, "os.listdir os.path.isdir"),
    "modules/check_host.py": (HOME, "os.path.isdir os.path.lexists"),
    "modules/hand_over.py": (HOME, "os.unlink"),
    "modules/maintenance.py": (HOME, "os.stat"),
    "modules/django_prepare.py": (HOME, "os.path.realpath"),
    "modules/migrate.py": ("/opt/greenroom", "glob.glob"),
    "modules/import_snapshot.py": (
        BACKUPS,
        "os.chmod os.makedirs os.mkdir os.path.isdir remove",
    ),
    "modules/create_release.py": (ETC, "read_file write_file"),
    "modules/shared_folder.py": (HOME, "os.path.isdir"),
    "modules/use_engine.py": (ENGINES, "os.path.islink os.readlink replace_link"),
    "modules/virtualenv.py": (HOME, "os.path.isdir"),
}

FILES = sorted(
    str(path.relative_to(PLUGINS))
    for folder in ("modules", "module_utils")
    for path in (PLUGINS / folder).rglob("*.py")
)


def by_name(text: str) -> set[str]:
    """What a module calls that works on a file by its name, with one from a descriptor too."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        module, _, function = name.rpartition(".")
        if module in BY_NAME:
            if function not in HARMLESS[module].split():
                found.add(name)
        elif name in OURS or name in ("open", "io.open"):
            found.add(name)
        elif isinstance(node.func, ast.Attribute) and function in METHODS:
            found.add(f".{function}")
    return found


@pytest.mark.parametrize("name", FILES)
def test_files_are_reached_by_name_only_where_names_are_roots_own(name: str) -> None:
    _, allowed = ALLOWED.get(name, ("", ""))
    found = by_name((PLUGINS / name).read_text())
    # What belongs to our own Folder: the calls that it has in common with others.
    found -= {".open"} if "_tree import" in (PLUGINS / name).read_text() else set()
    assert allowed == "*" or found == set(allowed.split()), (
        "work on it by _tree.Folder or by as_user(); or say here why nobody can change its name"
    )


def test_what_is_listed_is_there() -> None:
    assert sorted(set(ALLOWED) - set(FILES)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("os.chown(path, 0, 0)", {"os.chown"}),
        ("with open(path) as file: pass", {"open"}),
        ("shutil.rmtree(path)", {"shutil.rmtree"}),
        ("Path(a).write_text('')", {".write_text"}),
        ("os.path.join(a, b), os.fstat(1)", set()),
        ("for a in os.walk(b): remove(a)", {"os.walk", "remove"}),
    ],
)
def test_what_works_by_name_is_found(code: str, found: set[str]) -> None:
    assert by_name(code) == found


def test_nobody_imports_a_function_out_of_its_module() -> None:
    """Else it would be called by a name that is not looked for."""
    for name in FILES:
        for node in ast.walk(ast.parse((PLUGINS / name).read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in BY_NAME | {"pathlib"}, name
            elif isinstance(node, ast.Import):
                assert all(a.asname is None for a in node.names if a.name in BY_NAME), name
