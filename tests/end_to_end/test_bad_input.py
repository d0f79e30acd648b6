"""Bad input gets one clear error, before anything is changed.

What the controller can tell alone is refused there: those cases go to addresses at which nobody
answers. The others are tried on one host, on which release 1 serves all the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from example import Example, settings
from host import Host, PlaybookRun, ansible_playbook

from tests.unit.plugins.plugin_utils.test_calendar import BAD, GOOD

#: in every value that is a secret, so that it can be looked for in an output
SECRET = "correct-horse-battery"
PLAYBOOKS = ["site.yml", "deploy.yml", "rollback.yml", "status.yml"]

# Names that would be something else in a shell, a path, a unit file, a git command or a header.
HOSTILE = [
    "my app",
    'play"bill',
    "play'bill",
    "play;bill",
    "play|bill",
    "$(id)",
    "`id`",
    "../playbill",
    "play/../../bill",
    "play\nbill",
    "playbill\n",
    "-playbill",
    "--upload-pack=id",
    "pláybill",
    "play\x00bill",
    "play\\bill",
    "play%bill",
    "*",
]


def without(values: list[str], fine: str) -> list[str]:
    """The values but one, which is fine for this setting."""
    return [value for value in values if value != fine]


#: setting: values that it must not have
WRONG: dict[str, list[Any]] = {
    "app_name": [*HOSTILE, "", "Playbill", "1playbill", "play_bill", "play.service", "p" * 25],
    "app_branch": [
        True,
        1.10,
        *HOSTILE,
        "a..b",
        "a//b",
        "a@{1}",
        "a/",
        "a.lock",
        "a:b",
        "a~1",
        "a^",
    ],
    "rev": [*HOSTILE, "a..b", "HEAD:manage.py", "v1^{tree}"],
    "merge": [*HOSTILE, "", "a..b", "a:b", "+a", "--upload-pack=id"],
    "checkout_controller_repository": [*HOSTILE, "playbill.git", "ext::sh -c id"],
    "app_repository": [
        *HOSTILE,
        "playbill.git",
        "/srv/git/../../etc",
        "/srv/git/my repository.git",
        "ext::sh -c id",
        "file://etc/../x",
        "git@-oProxyCommand=id:x",
        "ssh://-oProxyCommand=id/x",
        "git@example.org:a;b",
    ],
    "app_local_settings": [*HOSTILE, "../a.py", "/etc/a.py", "settings", "a b.py"],
    "app_manage": [*HOSTILE, "../manage.py", "/manage.py", "my site/manage.py", "manage", "-m.py"],
    "app_requirements": [*HOSTILE, "/etc/passwd", "a/../../b.txt", "."],
    "app_settings_module": [
        *without(HOSTILE, "pláybill"),
        "play-bill.settings",
        "playbill.settings;x",
        "settings.",
        "/x",
    ],
    "app_wsgi": [*HOSTILE, "playbill.wsgi", "playbill/wsgi:application", "a:b:c"],
    "app_python": [*HOSTILE, "perl", "python3 -c id", "bin/python3"],
    "app_gunicorn": [*HOSTILE, "flask", "gunicorn --pre", "gunicorn; id", "gunicorn @ https://x"],
    "app_health_path": [*HOSTILE, "health", "/a b", "/a\r\nX-Header: b"],
    "app_static_url": [
        "static/",
        "/static",
        "/sta tic/",
        "/a;b/",
        "//x/",
        "https://cdn.example.org/",
    ],
    "app_media_path": ["../media/", "/media/", "uploads/"],
    "app_health_status": ["fine", 99, 600, True],
    "app_health_timeout": ["long", 0, -1, 1.5],
    "app_keep_releases": ["many", 1, 0, -3, "", [5]],
    "app_free_space": ["plenty", -1],
    "app_free_inodes": ["plenty", -1],
    "app_installer": ["pipx", "UV"],
    "app_install_project": ["perhaps", 2],
    "app_source_control": ["cvs"],
    "app_service_manager": ["launchd", "Systemd"],
    "app_domains": ["www.example.com", {"www": "example.com"}],
    "app_shared_paths": ["media/"],
    "app_hooks": ["hook.yml", ["hook.yml"]],
    "app_port": ["http", "0120", "1:20"],
    "app_web_server": ["lighttpd", "Apache"],
    "web_server_serve_static": ["perhaps"],
    "web_server_client_max_body_size": ["20 m", "much", "-1"],
    "gunicorn_workers": ["some", -4, 0],
    "gunicorn_open_files": [-1, 12],
    "gunicorn_memory_max": [512],
    "web_server_user": ["root", "www data"],
    "app_backup_at": ["whenever", "25:00", "every day"],
    "checkout_known_hosts": ["example.org ssh-ed25519 AAAA"],
}

#: the same for what is in a list
WRONG_ITEMS: dict[str, list[str]] = {
    "gunicorn_writable_paths": ["/etc", "/", "/usr/local/lib", "var/lib/x", "/var/lib/a b"],
    "app_domains": [*HOSTILE[:-1], "a..b", "a{b", "example.org/", "http://example.org"],
    "app_shared_paths": [*HOSTILE, "/etc", "..", ".", "media/../../x/"],
    "app_databases": [*without(HOSTILE, "pláybill"), "default;"],
    "app_system_packages": [*HOSTILE, "-o=x", "libpq5 nano"],
}

GOOD_ITEMS = {"app_shared_paths": "media/", "gunicorn_writable_paths": "/var/lib/good"}

#: what is wrong in another way than by its value alone
WRONG_OTHERWISE: list[tuple[dict[str, Any], str]] = [
    ({"app_domains": ["a.example", "A.example"]}, "app_domains has 'a.example' twice"),
    ({"app_static_url": "/media/"}, "app_static_url is '/media/' and app_media_url is '/media/'"),
    ({"app_commands_after_collectstatic": [None]}, "app_commands_after_collectstatic has 'None'"),
    (
        {"app_healt_path": "/health/"},
        "app_healt_path is not a setting; did you mean app_health_path",
    ),
    ({"backup_at": "daily"}, "backup_at is not a setting; did you mean app_backup_at?"),
]

#: settings that hold a secret, and what the message says instead of it
WRONG_SECRETS: list[tuple[dict[str, Any], str]] = [
    ({"app_env": f"KEY={SECRET}"}, "app_env is of type str; it should be a dictionary"),
    ({"app_env": [{"KEY": SECRET}]}, "app_env is of type list; it should be a dictionary"),
    ({"app_env": {"PIN": 739184}}, "app_env.PIN is of type int; it should be a string"),
    ({"app_env": {"DEBUG": True}}, "app_env.DEBUG is of type bool; it should be a string"),
    ({"app_env": {"KEY": None}}, "app_env.KEY is of type null; it should be a string"),
    ({"app_env": {"KEY": {"in": SECRET}}}, "app_env.KEY is of type dict; it should be a string"),
    ({"app_env": {"MY KEY": SECRET}}, "app_env has a variable named 'MY KEY'"),
    ({"app_env": {"KEY": f"{SECRET}\x00"}}, "app_env.KEY holds a "),
    ({"app_env": {"KEY": SECRET * 10_000}}, "app_env.KEY has 210004 bytes with its name; Linux"),
    ({"checkout_token": f"{SECRET}\n"}, "checkout_token has a line end or another control char"),
    ({"checkout_token": [SECRET]}, "checkout_token is of type list; it should be a string"),
    (
        {"app_repository": f"https://me:{SECRET}@example.org/x.git"},
        "app_repository is 'https://…@example.org/x.git'; it should be",
    ),
]

Case = tuple[dict[str, Any], str]


def cases() -> list[Case]:
    """Wrong settings, and what the message must say of them."""
    found: list[Case] = []
    for name, values in WRONG.items():
        found += [({name: value}, f"{name} is {str(value)!r}; it should be ") for value in values]
    for name, items in WRONG_ITEMS.items():
        good = GOOD_ITEMS.get(name, "good")
        found += [
            ({name: [good, item]}, f"{name} has {item!r}; it should be a list of ")
            for item in items
        ]
    for name in ("app_name", "app_repository", "app_domains"):
        found.append(({name: None}, f"{name} is not set; it should be "))
    found.append(({"app_domains": []}, "app_domains is empty; it should have the site's names"))
    found.append(
        ({"app_hooks": {"whenever": __file__}}, "app_hooks has 'whenever'; the moments are ")
    )
    return found + WRONG_OTHERWISE + WRONG_SECRETS


def packed(cases: list[Case]) -> dict[str, list[Case]]:
    """The cases, shared out to as few hosts as can be: each setting is wrong once on a host.

    A message names all that is wrong, so it is also seen that one mistake does not hide another.
    """
    hosts: list[dict[str, Case]] = []
    for case in cases:
        name = next(iter(case[0]))
        free = next((host for host in hosts if name not in host), None)
        if free is None:
            hosts.append(free := {})
        free[name] = case
    return {f"host-{number}": list(host.values()) for number, host in enumerate(hosts)}


CASES: dict[str, list[Case]] = {
    **packed(cases()),
    # What cannot even be read is said alone: the rest may depend on it.
    "unreadable": [
        ({"app_branch": "{{ nope }}"}, "app_branch cannot be read: 'nope' is undefined"),
        (
            {"app_env": {"KEY": SECRET + "{{ vault_key }}"}},
            "app_env cannot be read: 'vault_key' is",
        ),
    ],
}


def inventory(path: Path, hosts: dict[str, dict[str, Any]], environment: str = "staging") -> Path:
    """Write an inventory of these hosts and their settings; None leaves a setting away."""
    members = {
        name: {key: value for key, value in values.items() if value is not None}
        for name, values in hosts.items()
    }
    path.write_text(json.dumps({environment: {"hosts": members}}))
    return path


def messages(run: PlaybookRun) -> dict[str, tuple[str, str]]:
    """The task at which each host failed first, and its message; of a run that printed JSON."""
    found: dict[str, tuple[str, str]] = {}
    for play in json.loads(run.stdout)["plays"]:
        for task in play["tasks"]:
            for host, result in task["hosts"].items():
                if result.get("failed") or result.get("unreachable"):
                    found.setdefault(host, (task["task"]["name"], result["msg"]))
    return found


AS_JSON = {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}


# -- what the controller refuses ------------------------------------------------------------------


@pytest.fixture(scope="module", params=["site.yml", "deploy.yml"])
def refused(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> PlaybookRun:
    """A run with all the wrong settings, each on a host at an address that belongs to nobody."""
    base = {**settings("localhost"), "ansible_host": "192.0.2.1"}
    hosts = {host: dict(base) for host in CASES}
    for host, wrong in CASES.items():
        for values, _ in wrong:
            hosts[host].update(values)
    path = inventory(tmp_path_factory.mktemp("wrong") / "staging", hosts)
    return ansible_playbook(path, request.param, check=False, env=AS_JSON)


def test_all_settings_that_are_wrong_are_refused(refused: PlaybookRun) -> None:
    found = messages(refused)
    for host, wrong in CASES.items():
        task, message = found.get(host, ("nothing", "it was not refused"))
        assert task == "Check the settings"
        missing = [says for _, says in wrong if says not in message]
        assert missing == [], message
        assert len(message.splitlines()) <= 1 + len(wrong), "no more is wrong than these"
    assert refused.returncode != 0
    assert "Traceback" not in refused.output


def test_a_secret_is_never_shown(refused: PlaybookRun) -> None:
    assert SECRET not in refused.output
    assert "739184" not in refused.output


def test_right_settings_are_not_refused(tmp_path: Path) -> None:
    """What is unusual but fine gets past the check, to the address at which nobody answers."""
    right = {
        "app_branch": "feature/new-show_2.0",
        "rev": "v1.0+build@x",
        "app_repository": "ssh://git@git.example.org:2222/~me/play_bill.git",
        "app_manage": "src/my-site/manage.py",
        "app_keep_releases": "3",
        "app_install_project": "yes",
        "app_python": "/opt/python3.12/bin/python3.12",
        "app_shared_paths": ["data/uploads/", "data/db.sqlite3", "media/"],
        "app_env": {"KEY": 'a "quoted"\n$line; \\ #'},
        "ansible_host": "192.0.2.1",
        "ansible_timeout": 1,
    }
    path = inventory(
        tmp_path / "staging", {"right": {**settings("www.example.org", "*.example.org"), **right}}
    )
    run = ansible_playbook(path, "deploy.yml", check=False)
    assert run.recap["right"]["unreachable"] == 1


def test_variables_of_the_command_line_that_nobody_asked_for(tmp_path: Path) -> None:
    path = inventory(
        tmp_path / "staging", {"web": {**settings("localhost"), "ansible_host": "192.0.2.1"}}
    )
    typed = ("app_home=/etc", "release_number=99", "revv=x", "ticket=42", "drop_replaced=true")
    words = [word for item in typed for word in ("-e", item)]
    run = ansible_playbook(path, "deploy.yml", *words, check=False)
    assert [line[:20] for line in run.stdout.splitlines() if line[:2] == "- "] == [
        "- app_home (-e) is n",
        "- release_number (-e",
        "- revv (-e) is neith",
        "- drop_replaced is '",
    ]
    assert "did you mean rev?" in run.stdout


def test_the_message_is_all_that_is_shown(tmp_path: Path) -> None:
    """As a person reads it: the sentence, where it comes from, and no page of anything else."""
    hosts = {
        "web": {**settings("localhost"), "app_keep_releases": "many", "ansible_host": "192.0.2.1"}
    }
    run = ansible_playbook(inventory(tmp_path / "staging", hosts), "deploy.yml", check=False)
    assert "- app_keep_releases is 'many'; it should be 2 or more.\n" in run.stdout
    assert run.stdout.count("[ERROR]") == 1
    assert len(run.output.splitlines()) < 35
    assert run.recap["web"] == {**dict.fromkeys(run.recap["web"], 0), "failed": 1}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"web": {"hosts": {"a": {}}}}, "it has neither a group staging nor a group live"),
        ({"staging": {"hosts": {}}}, "its group staging is empty"),
        ({"staging": {"hosts": {"a": {}}}, "live": {"hosts": {"b": {}}}}, "in both groups"),
    ],
    ids=["no group", "an empty group", "both groups"],
)
def test_an_inventory_without_one_environment(
    tmp_path: Path, playbook: str, content: dict[str, Any], says: str
) -> None:
    path = tmp_path / "inventory"
    path.write_text(json.dumps(content))
    run = ansible_playbook(path, playbook, check=False)
    assert run.returncode != 0
    assert says in run.stderr
    assert "TASK" not in run.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-l", "nowhere"], "no hosts to target"),
        (["-e", "target=nowhere"], "target is 'nowhere', which is no host or group in staging"),
    ],
)
def test_a_limit_that_leaves_no_host(tmp_path: Path, arguments: list[str], says: str) -> None:
    path = inventory(tmp_path / "staging", {"web": settings("localhost")})
    run = ansible_playbook(path, "deploy.yml", *arguments, check=False)
    assert run.returncode != 0
    assert says in run.stderr
    assert "TASK" not in run.stdout


# -- what a host refuses --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def serving(host: Host, playbill: Example) -> Host:
    """A host on which release 1 serves, and no other was ever made."""
    playbill.set_branch("staging", "v1")
    host.playbook("deploy.yml")
    return host


@pytest.fixture(scope="module")
def unchanged(serving: Host) -> Callable[[], Any]:
    """Return a context in which nothing may change on the host, and release 1 serves on."""

    def listing() -> dict[str, str]:
        units = serving.shell(
            "systemctl list-units --all --plain --no-legend 'playbill@*' nginx.service"
        )
        pids = serving.shell("systemctl show --property=MainPID playbill@1 nginx")
        found = serving.listing("/srv", "/etc")
        fetched = "/srv/playbill/build/repository"  # a cache, of which nothing is on stage
        here = {path: what for path, what in found.items() if not path.startswith(fetched)}
        return {**here, "units": units, "pids": pids}

    last = listing()

    @contextmanager
    def context() -> Iterator[None]:
        nonlocal last
        yield
        before, last = last, listing()
        assert {path for path in {*before, *last} if before.get(path) != last.get(path)} == set()
        assert 'name="playbill-release" content="1"' in serving.get("/").text

    return context


def try_on(
    host: Host, folder: Path, playbook: str, *arguments: str, **different: Any
) -> PlaybookRun:
    """Run a playbook with settings that are different from the host's own."""
    own = json.loads(host._inventories[0].read_text())["staging"]["hosts"][host.container]
    path = inventory(folder / "staging", {host.container: {**own, **different}})
    return ansible_playbook(path, playbook, *arguments, check=False)


REFUSED_BY_THE_HOST: list[tuple[str, list[str], dict[str, Any], str]] = [
    (
        "deploy.yml",
        ["-e", "rev=nowhere"],
        {},
        "The repository has no branch, tag or commit 'nowhere'. Its branches are: live, main, stag",
    ),
    (
        "deploy.yml",
        [],
        {"app_branch": "0123456789abcdef"},
        "no branch, tag or commit '0123456789abcdef'",
    ),
    ("deploy.yml", ["--check", "-e", "rev=nowhere"], {}, "no branch, tag or commit 'nowhere'"),
    (
        "rollback.yml",
        ["-e", "rev=42"],
        {},
        r"rev is 42: there is no release 42 to go to. There are: 1 \([0-9a-f]{7}\).",
    ),
    ("rollback.yml", ["-e", "rev=v3"], {}, r"rev is 'v3': .* There are: 1 \([0-9a-f]{7}\)."),
    ("rollback.yml", [], {}, "There is no release to go back to from 1."),
    (
        "deploy.yml",
        [],
        {"app_repository": "/srv/git/nowhere.git"},
        "app_repository is /srv/git/nowhere.git, which cannot be fetched:",
    ),
    (
        "deploy.yml",
        [],
        {"app_repository": "https://localhost:4443/playbill.git"},
        r"cannot be fetched:\n.*Couldn't connect to server\n\nOver https",
    ),
    (
        "deploy.yml",
        [],
        {"app_repository": "git@localhost:playbill.git"},
        r"No ED25519 host key is known for localhost[\s\S]*Host keys are never accepted unseen.",
    ),
    (
        "deploy.yml",
        [],
        {"app_manage": "src/manage.py"},
        r"app_manage is 'src/manage.py', which is not a file in revision [0-9a-f]{12}\.",
    ),
    (
        "deploy.yml",
        [],
        {"app_settings_module": "playbill.nowhere"},
        r"The settings module is 'playbill.nowhere' \(app_settings_module\), which is not in rev",
    ),
    (
        "deploy.yml",
        [],
        {"app_requirements": "requirements/live.txt"},
        r"app_requirements is 'requirements/live.txt', which is not a file in revision",
    ),
]


@pytest.mark.parametrize(
    ("playbook", "arguments", "different", "says"),
    REFUSED_BY_THE_HOST,
    ids=[f"{case[0]} {' '.join(case[1])} {' '.join(case[2])}" for case in REFUSED_BY_THE_HOST],
)
def test_what_is_not_there(
    serving: Host,
    unchanged: Callable[[], Any],
    tmp_path: Path,
    playbook: str,
    arguments: list[str],
    different: dict[str, Any],
    says: str,
) -> None:
    with unchanged():
        run = try_on(serving, tmp_path, playbook, *arguments, **different)
    assert re.search(says, run.stdout), run.output
    assert "Traceback" not in run.output
    # The reason, and then in one line what it means: Ansible shows each of them once.
    assert run.stdout.count("[ERROR]") == 2
    assert (
        "as said above. Release 1 is current, as before.\n" in run.stdout.rpartition("[ERROR]")[2]
    )
    recap = run.recap[serving.container]
    assert (recap["failed"], recap["changed"], recap["unreachable"]) == (1, 0, 0)


# Before the lock, so that all can be tried at once: each is the same host under another name.
BEFORE_THE_LOCK: dict[str, tuple[dict[str, Any], str]] = {
    "python": (
        {"app_python": "python3.99"},
        "cannot take the app: app_python is 'python3.99', which is not here (there is: python3,",
    ),
    "space": (
        {"app_name": "narrow"},
        "/srv/narrow has 20 MiB free; app_free_space asks for 500 MiB for one more release.",
    ),
    "inodes": (
        {"app_name": "crowded"},
        "/srv/crowded has 98 inodes free; app_free_inodes asks for 20000 for one more release.",
    ),
    "setting": ({"app_free_space": 90_000_000}, "app_free_space asks for 90000000 MiB"),
    "unprepared": (
        {"app_name": "other"},
        "for other: /srv/other/releases is missing. Run site.yml on it first",
    ),
}

RESERVED = {
    "root": "the user root",
    "www-data": "the user www-data",
    "sshd": "the user sshd",
    "nginx": "nginx, which site.yml installs",
    "apache2": "apache2, which site.yml installs",
    "staff": "the group staff",
    "getty": "/usr/lib/systemd/system/getty@.service",  # every console's login
    "tmp": "/usr/lib/tmpfiles.d/tmp.conf",  # what makes /tmp at boot
    "lock": "/run/lock",
    "ssh": "/etc/ssh",
    "playbill-build": "the user playbill-build",  # of the app that is here
}


def test_a_host_that_is_not_fit_for_a_release(
    serving: Host, unchanged: Callable[[], Any], tmp_path: Path
) -> None:
    own = json.loads(serving._inventories[0].read_text())["staging"]["hosts"][serving.container]
    hosts = {case: {**own, **different} for case, (different, _) in BEFORE_THE_LOCK.items()}
    path = inventory(tmp_path / "staging", hosts)
    try:
        serving.shell(
            "set -e; mkdir /srv/narrow /srv/crowded;"
            "mount -t tmpfs -o size=20m tmpfs /srv/narrow;"
            "mount -t tmpfs -o size=1g,nr_inodes=100 tmpfs /srv/crowded;"
            "mkdir /srv/narrow/releases /srv/crowded/releases"
        )
        before = serving.checksum("/srv/narrow", "/srv/crowded")
        run = ansible_playbook(path, "deploy.yml", check=False, env=AS_JSON)
        assert serving.checksum("/srv/narrow", "/srv/crowded") == before
    finally:
        serving.shell("umount /srv/narrow /srv/crowded; rmdir /srv/narrow /srv/crowded")
    with unchanged():
        found = messages(run)
    for case, (_, says) in BEFORE_THE_LOCK.items():
        task, message = found[case]
        assert task == "greenroom.django.release : Check the host and take the lock", case
        assert says in message


def test_a_name_that_the_host_uses_for_something_else(
    serving: Host, unchanged: Callable[[], Any], tmp_path: Path
) -> None:
    own = json.loads(serving._inventories[0].read_text())["staging"]["hosts"][serving.container]
    own["web_server_user"] = "nobody"  # the controller refuses an app that is called like its own
    path = inventory(tmp_path / "staging", {name: {**own, "app_name": name} for name in RESERVED})
    with unchanged():
        found = messages(ansible_playbook(path, "site.yml", check=False, env=AS_JSON))
    for name, what in RESERVED.items():
        message = found[name][1]
        assert f"app_name is {name!r}, which this host uses for something else: " in message
        assert what in message


@pytest.mark.parametrize("playbook", ["site.yml", "deploy.yml"])
def test_a_host_of_another_kind(
    serving: Host, unchanged: Callable[[], Any], tmp_path: Path, playbook: str
) -> None:
    """Both at once: another distribution, and no systemd."""
    serving.shell(
        "set -e; printf 'ID=fedora\\nID_LIKE=\"rhel\"\\n' >/run/os-release;"
        "mount --bind /run/os-release /usr/lib/os-release; mv /run/systemd/system /run/systemd/away"
    )
    try:
        run = try_on(serving, tmp_path, playbook)
    finally:
        serving.shell("mv /run/systemd/away /run/systemd/system; umount /usr/lib/os-release")
    with unchanged():
        assert (
            f"{serving.container} cannot take the app: it is neither Debian nor Ubuntu, "
            "which is what the roles know; app_service_manager is systemd, which does not run here."
            in run.stdout
        )
    assert run.recap[serving.container]["changed"] == 0


def test_the_controller_judges_times_as_systemd_does(serving: Host) -> None:
    one = 'if systemd-analyze calendar "$at" >/dev/null 2>&1; then echo "$at"; fi'
    tried = "".join(f"{at}\n" for at in [*GOOD, *BAD])
    taken = serving.run(["sh", "-c", f"while read -r at; do {one}; done"], stdin=tried)
    assert taken.stdout.splitlines() == GOOD


def test_settings_without_a_database(serving: Host, playbill: Example) -> None:
    playbill.set_branch("staging", "v2")
    own = playbill.git("show", "staging:playbill/settings.py")
    playbill.commit({"playbill/settings.py": f"{own}\nDATABASES = {{}}\n"})
    run = serving.playbook("deploy.yml", check=False)
    assert "An app without a database wants app_databases: []." in run.stdout
    assert "Traceback" not in run.output
    assert 'name="playbill-release" content="1"' in serving.get("/").text


def test_the_next_deploy_just_works(serving: Host, playbill: Example) -> None:
    playbill.set_branch("staging", "v2")
    serving.playbook("deploy.yml")
    assert "<span>v2</span>" in serving.get("/").text
