"""Root and the files of others: what a build or the app puts in root's way leads it nowhere.

Each test attacks from where the attacker can be: in the repository, in a build (the user
playbill-build, whose processes may outlive their step), or in the app (the user playbill). Then
nothing of /etc may have changed, and the deploy must have ended as it should.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host import Host, PlaybookRun
from project import HOME, Project

pytestmark = pytest.mark.story

TREE = f"{HOME}/releases"
BUILD = f"{HOME}/build"
CSS = "body { color: #123456 }\n"
#: in /etc, under the names of folders that an attacker leads root through
VICTIMS = ("static", "media", "seeded", "precious")


@pytest.fixture(scope="module")
def project(project: Project) -> Project:
    """The project, with a release that serves."""
    for name in VICTIMS:
        project.host.shell(f"install -d /etc/{name} && echo mine > /etc/{name}/file")
    project.commit()
    project.deploy()
    return project


@pytest.fixture(autouse=True)
def _nothing_of_roots_is_touched(project: Project) -> Iterator[None]:
    """What all of these attacks are after."""
    before = of_root(project.host)
    yield
    after = of_root(project.host)
    assert {path: what for path, what in after.items() if before.get(path) != what} == {}
    assert sorted(set(before) - set(after)) == []
    assert project.host.run(["test", "-e", f"{HOME}/lock.json"], check=False).returncode != 0


def of_root(host: Host) -> dict[str, str]:
    """All of /etc but for what a deploy writes there."""
    ours = re.compile(r"/etc/(playbill/|systemd/system/multi-user\.target\.wants|\.pwd\.lock|mtab)")
    return {path: what for path, what in host.listing("/etc").items() if not ours.match(path)}


def served(project: Project, number: int) -> None:
    """Fail unless that release serves, with its static files."""
    assert project.serving() == number
    styled(project)


def replaced(project: Project, number: int) -> None:
    """Fail unless a newer release than that serves, with its static files."""
    assert project.serving() > number
    styled(project)


def styled(project: Project) -> None:
    """Fail unless the page's style sheet is there."""
    answer = project.host.get(project.page()["css"])
    assert (answer.status, answer.text) == (200, CSS)


def words(run: PlaybookRun) -> str:
    """What was said, in one line."""
    return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())


def shell(script: str) -> str:
    """A build command that runs a shell's script."""
    return "sh -c '" + script + "'"


# -- the app, in shared/ ---------------------------------------------------------------------------

# Stops the run when a path is there, has the app do something, and has the run go on.
SWAP = """
import glob, os, pathlib, signal, subprocess, sys, time
first, last, script = sys.argv[1:]
deadline = time.monotonic() + 240
while not os.path.lexists(first) and time.monotonic() < deadline: time.sleep(0.0005)
stopped = []
for path in glob.glob("/proc/[0-9]*/environ"):
    try: variables = pathlib.Path(path).read_bytes().split(b"\\0")
    except OSError: continue
    if any(one.startswith(b"GREENROOM_RUN=") and one[14:] for one in variables):
        os.kill(int(path.split("/")[2]), signal.SIGSTOP)
        stopped.append(int(path.split("/")[2]))
in_time = not os.path.lexists(last)
subprocess.run(["runuser", "-u", "playbill", "--", "sh", "-c", script], check=True)
# sudo stops itself where what it runs is stopped.
stats = [pathlib.Path(f"/proc/{pid}/stat").read_text() for pid in stopped]
parents = [int(stat.rpartition(")")[2].split()[1]) for stat in stats]
for pid in stopped + parents: os.kill(pid, signal.SIGCONT)
print("in time" if in_time and stopped else "too late")
"""


def test_a_swap_below_shared_while_it_is_seeded(project: Project) -> None:
    """The app exchanges a folder for a link, while what the repository has is copied into it."""
    names = [f"data/seeded/{number:04}" for number in range(3000)]
    project.commit(dict.fromkeys(names, "x"))
    before, host = project.serving(), project.host
    host.run(["install", "/dev/stdin", "/root/swap.py"], stdin=SWAP)
    shared = f"{HOME}/shared"
    argv = [
        f"{shared}/{names[0]}",
        f"{shared}/{names[-1]}",
        f"mv {shared}/data {shared}/away; ln -s /etc {shared}/data",
    ]
    host.shell("rm -f /root/swapped")
    output = "--property=StandardOutput=file:/root/swapped"
    host.run(["systemd-run", "--quiet", "--unit=swap", output, "python3", "/root/swap.py", *argv])
    said = project.refuse(app_shared_paths=["media/", "db.sqlite3", "data/seeded/"])
    host.shell("while systemctl -q is-active swap; do sleep 0.1; done")
    assert host.shell("cat /root/swapped") == "in time\n"
    assert "app_shared_paths has 'data/seeded/', which cannot be copied into shared/" in said
    served(project, before)
    host.shell(f"rm {shared}/data && rm -r {shared}/away")


def test_a_link_in_shared_that_is_there_already(project: Project) -> None:
    project.host.shell(f"ln -s /etc {HOME}/shared/data", user="playbill")
    project.commit({"data/seeded/x": "x"})
    said = project.refuse(app_shared_paths=["media/", "db.sqlite3", "data/seeded/"])
    assert "app_shared_paths has 'data/seeded/'" in said
    assert "leads out of /srv/playbill/shared" in said
    project.host.shell(f"rm {HOME}/shared/data")


def test_a_link_in_place_of_the_folder_of_the_uploads(project: Project) -> None:
    """As site.yml makes it."""
    project.host.shell(f"ln -s /etc {HOME}/shared/up", user="playbill")
    project.configure(app_media_path="up/media/", app_shared_paths=["up/media/", "db.sqlite3"])
    run = project.host.prepare("account", check=False)
    assert run.returncode != 0
    assert "/srv/playbill/shared/up was replaced by a link" in words(run)
    project.host.shell(f"rm {HOME}/shared/up")
    project.configure(app_media_path="up/media/", app_shared_paths=["up/media/", "db.sqlite3"])
    project.host.prepare("account")
    made = project.host.shell(f"stat -c '%U:%G %a' {HOME}/shared/up/media").strip()
    assert made == "playbill:playbill-web 2750"


# -- the app, in a deploy's Django start -----------------------------------------------------------

# What a process that a build left does while static files are collected; the app waits for it.
LEFT = """\
import os, sys, time
if os.fork():
    sys.exit()
os.setsid()
os.closerange(0, 1000)
go = "/srv/playbill/shared/media/go"
for _ in range(3000):
    if os.path.exists(go):
        os.rename(".greenroom/public", ".greenroom/away")
        os.symlink("/etc", ".greenroom/public")
        break
    time.sleep(0.01)
"""
WAITS = """
if "collectstatic" in sys.argv:
    (BASE_DIR / "media" / "go").touch()
    for _ in range(300):
        if (BASE_DIR / ".greenroom" / "public").is_symlink():
            break
        time.sleep(0.01)
"""


def test_a_folder_exchanged_by_a_build_while_files_are_collected(project: Project) -> None:
    before = project.serving()
    project.commit({"left.py": LEFT}, settings="import sys, time\n" + WAITS)
    project.deploy(app_commands_before_collectstatic=["python3 left.py"])
    replaced(project, before)
    project.host.shell(f"rm -f {HOME}/shared/media/go; pkill -f [l]eft.py || true")


# The app answers for itself, and its settings are where its code begins.
ANSWERS = """
import json, sys
words = open("/proc/self/cmdline").read().split("\\0")  # sys.argv is that of manage.py
if words[-2].startswith("{{"):
    request = json.loads(words[-2])
    answer = {{"static_root": {root}, "collected": "", "wsgi": "config.wsgi:application"}}
    answer |= {{"django": "5.2", "done": request["steps"], "waiting": {{}}, "warnings": []}}
    print("\\n" + request["token"] + json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ('sys.prefix + "/lib/python3.11/site-packages/gunicorn"', "STATIC_ROOT is"),
        (
            'os.path.realpath(sys.prefix) + "/lib/python3.11/site-packages/gunicorn"',
            "STATIC_ROOT is",
        ),
        ('str(BASE_DIR / ".greenroom" / "env")', "STATIC_ROOT is"),
        ('"/etc/precious/file"', "STATIC_ROOT is"),
        ('str(BASE_DIR / "media" / "x")', "STATIC_ROOT is"),
        ('str(BASE_DIR) + "/config/../../../../../../etc/precious"', "STATIC_ROOT is"),
    ],
)
def test_an_answer_that_leads_elsewhere(project: Project, root: str, said: str) -> None:
    before = project.serving()
    venv = project.host.shell(f"readlink -f {project.tree()}/.venv").strip()
    packages = project.host.checksum(venv)
    project.commit(settings=ANSWERS.format(root=root))
    assert said in project.refuse()
    assert project.host.checksum(venv) == packages
    served(project, before)


def test_a_link_in_the_static_files_is_not_shown(project: Project) -> None:
    before = project.serving()
    project.commit()
    # What the repository has there is tracked below STATIC_ROOT, and so is copied as it is.
    (project.repository.path / "staticfiles").mkdir()
    (project.repository.path / "staticfiles/shadow").symlink_to("/etc/shadow")
    (project.repository.path / "staticfiles/same").symlink_to("kept")
    (project.repository.path / "staticfiles/kept").write_text("kept\n")
    project.push()
    run = project.deploy()
    replaced(project, before)
    _, found, links = words(run).partition("Not published, since no web server follows a link")
    assert found
    for name, status in (("shadow", 404), ("same", 404), ("kept", 200)):
        assert project.host.get(f"/static/{name}").status == status
        assert (f"'{name}'" in links) == (status == 404)


# -- a build, in the release -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        pytest.param(
            ["rm -f .greenroom/release.json; mkfifo .greenroom/release.json; true"], "", id="fifo"
        ),
        pytest.param(
            ["ln -sf /etc/shadow .greenroom/release.json; true"], "", id="link to a file of root's"
        ),
        pytest.param(
            ["mv .greenroom .away; mkdir .greenroom; mkfifo .greenroom/release.json"],
            "/.greenroom was replaced by a build",
            id="another folder",
        ),
        pytest.param(
            ["mv .greenroom .away; ln -s /etc .greenroom"],
            "/.greenroom was replaced by a link",
            id="link to a folder of root's",
        ),
        pytest.param(
            ["rm .venv; mkdir .venv; cp -r --dereference ../../venvs/*/bin .venv/"],
            "/.venv was replaced",
            id="another virtualenv",
        ),
        pytest.param(
            [f"ln -sfn {BUILD}/venv .venv"], "/.venv was replaced", id="link to a virtualenv"
        ),
    ],
)
def test_what_a_build_puts_in_the_place_of_greenrooms_own(
    project: Project, commands: list[str], said: str
) -> None:
    before = project.serving()
    project.commit()
    given: dict[str, Any] = {
        "app_commands_before_collectstatic": [shell(command) for command in commands]
    }
    if said:
        assert said in project.refuse(**given)
        served(project, before)
    else:
        project.deploy(**given)
        replaced(project, before)


LOCAL: dict[str, Any] = {
    "app_local_settings": "config/local.py",
    "app_local_settings_template": "local.j2",
}
IMPORTS = "from config.local import *\n"


@pytest.mark.parametrize(
    "command",
    [
        "rm -f config/local.py; mkfifo config/local.py",
        "ln -sf /etc/shadow config/local.py",
        "chmod 666 config/local.py; echo TITLE=1 >> config/local.py; ln config/local.py kept.py",
    ],
)
def test_what_a_build_puts_in_the_place_of_the_local_settings(
    project: Project, command: str
) -> None:
    """It could read them for its own commands, and what it made of them is gone."""
    before = project.serving()
    project.inventory.with_name("local.j2").write_text('TITLE = "told"\n')
    project.commit(settings=IMPORTS)
    project.deploy(**LOCAL, app_commands_before_collectstatic=[shell(command)])
    replaced(project, before)
    assert project.page()["title"] == "told"
    path = f"{project.tree()}/config/local.py"
    assert project.host.shell(f"stat -c '%U:%G %a %h' {path}") == "root:playbill 640 1\n"
    assert project.host.run(["cat", path], user="playbill-build", check=False).returncode != 0


def test_a_folder_of_the_local_settings_that_is_a_link(project: Project) -> None:
    project.commit(settings=IMPORTS)
    command = shell("mv config away; ln -s /etc/precious config")
    said = project.refuse(**LOCAL, app_commands_before_collectstatic=[command])
    assert "app_local_settings is 'config/local.py', which should be in the release" in said


def test_requirements_that_lead_to_what_only_root_reads(project: Project) -> None:
    project.commit({"requirements.txt": None})
    (project.repository.path / "requirements.txt").symlink_to("/etc/shadow")
    project.push()
    said = project.refuse()
    assert "requirements.txt names what the app needs, and cannot be read by the build user" in said


def test_what_is_no_file_and_what_is_a_file_twice(project: Project) -> None:
    """A FIFO is no part of a release. A file has one name there, and is none of elsewhere."""
    before, host = project.serving(), project.host
    project.commit()
    command = shell(
        f"mkfifo fifo; echo 1 > {BUILD}/cached; ln {BUILD}/cached away; chmod 4777 manage.py;"
        " echo 1 > kept; ln kept linked;"
        " setfacl -m u:playbill-build:rwx config/urls.py; setfacl -d -m u:playbill-build:rwx config"
    )
    run = project.deploy(app_commands_before_collectstatic=[command])
    replaced(project, before)
    assert "Removed from the release, as no files, folders or links: 'fifo'" in words(run)
    tree = project.tree()
    shown = host.shell(
        f"cd {tree}; stat -c '%n %U:%G %a %h' kept linked manage.py; ls away || true"
    )
    assert shown.splitlines() == [
        "kept root:playbill 640 1",
        "linked root:playbill 640 1",
        "manage.py root:playbill 750 1",
    ]
    assert "playbill-build" not in host.shell(
        f"getfacl --absolute-names {tree}/config {tree}/config/urls.py"
    )


def test_folders_too_deep_to_walk(project: Project) -> None:
    before, host = project.serving(), project.host
    deep = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n"
    project.commit({"deep.py": deep})
    said = project.refuse(app_commands_before_collectstatic=["python3 deep.py"])
    assert "is more than 100 folders deep" in said
    failed = max(int(name) for name in host.shell(f"ls {TREE}").split())
    project.commit({"failing.py": "raise SystemExit(1)\n"})
    for _ in range(2):  # the newest failed release alone is kept to be looked at
        project.refuse(app_commands_before_collectstatic=["python3 failing.py"])
    assert str(failed) not in host.shell(f"ls {TREE}").split()
    served(project, before)


# -- afterwards ------------------------------------------------------------------------------------

# Tries to write to everything below its arguments that it can see; prints what worked.
INTRUDER = """
import os, sys
def attempt(name, act, *arguments):
    try: act(*arguments)
    except OSError: return
    print(name)
for top in sys.argv[1:]:
    for folder, folders, files in os.walk(top):
        attempt(f"create in {folder}", os.mkdir, os.path.join(folder, ".intruder"))
        attempt(f"chmod {folder}", os.chmod, folder, 0o777)
        for path in [os.path.join(folder, name) for name in folders + files]:
            attempt(f"move {path}", os.rename, path, path + ".moved")
            attempt(f"chown {path}", os.lchown, path, os.getuid(), -1)
            if not os.path.islink(path) and not os.path.isdir(path):
                attempt(f"write {path}", os.open, path, os.O_WRONLY)
                attempt(f"set the times of {path}", os.utime, path, (1, 1))
                attempt(f"remove {path}", os.unlink, path)
"""


@pytest.mark.parametrize("user", ["playbill", "playbill-build"])
def test_nobody_changes_what_is_sealed(project: Project, user: str) -> None:
    """Not this release, not an older one, no virtualenv: neither the app nor a later build."""
    kept = [name for name in project.host.shell(f"ls {TREE}").split() if name.isdigit()]
    good = [name for name in kept if project.host.shell(f"stat -c %U {TREE}/{name}") == "root\n"]
    assert len(good) > 2
    tops = [*(f"{TREE}/{name}" for name in good), f"{HOME}/venvs", f"{HOME}/current"]
    before = project.host.checksum(*tops)
    assert project.host.run(["python3", "-c", INTRUDER, *tops], user=user).stdout == ""
    assert project.host.checksum(*tops) == before
    owners = project.host.shell(f"find {' '.join(tops)} -printf '%u %y%m\\n' | sort | uniq -c")
    assert {line.split()[1] for line in owners.splitlines()} == {"root"}


PACKAGES = ".venv/lib/python3.11/site-packages"


@pytest.mark.parametrize(
    "changed",
    [
        "config/settings.py",
        ".greenroom/public/static/notes/page.css",
        f"{PACKAGES}/django/conf/locale/vi/formats.py",
    ],
)
def test_a_release_that_was_changed_is_not_gone_back_to(project: Project, changed: str) -> None:
    """By root, which alone can: with the size and the times that it had."""
    host, number = project.host, project.serving()
    project.commit(settings="TITLE = 'next'\n")
    project.deploy()
    newer = project.serving()
    path = f"$(realpath {TREE}/{number}/{changed})"
    host.shell(f"cp -a {path} /root/kept; sed -i 1s/./x/ {path}; touch -r /root/kept {path}")
    run = host.playbook("rollback.yml", check=False)
    assert run.returncode != 0
    assert f"Release {number} is not what it was when it was built" in words(run)
    assert Path(changed).name in words(run)
    served(project, newer)
    # As it was, though its times are others, as after a restore from a backup.
    host.shell(f"cp /root/kept {path}")
    project.rollback()
    served(project, number)


def test_a_release_that_was_not_changed_is(project: Project) -> None:
    number = project.serving()
    project.commit()
    project.deploy()
    replaced(project, number)
    project.rollback()
    served(project, number)


# -- a build, in its home --------------------------------------------------------------------------


def test_links_in_the_home_of_builds(project: Project) -> None:
    """What root writes for a fetch is in a folder of root's: here site.yml follows nothing."""
    host = project.host
    project.configure()
    host.prepare("checkout")  # the key is called after the host
    host.shell(
        f"mkdir {BUILD}/.config && ln -s /etc/precious {BUILD}/.ssh &&"
        f" ln -s /etc/precious/file {BUILD}/.gitconfig && ln -s /etc/precious {BUILD}/.config/git",
        user="playbill-build",
    )
    assert host.prepare("checkout").recap[host.container]["changed"] == 0
    project.commit()
    project.deploy()
    host.shell(f"rm -r {BUILD}/.config {BUILD}/.ssh {BUILD}/.gitconfig", user="playbill-build")
