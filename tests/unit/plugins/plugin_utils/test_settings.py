from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import (
    HOOKS,
    NAMES,
    RENAMED,
    RULES,
    RULES_OF_ITEMS,
    problem_of_template,
    problems,
    problems_of_balancer,
    problems_of_database,
    problems_of_push,
)


def both(*lists: list[Any]) -> list[Any]:
    """One list of several, each a line of a table."""
    return [item for items in lists for item in items]


PATHS = (
    ["a", "a/b.txt", "a/", "./a", "a.b@c+d_e-f", ".hidden", "..a", "a..b"],
    both(
        [
            "/a",
            "../a",
            "a/../b",
            "a/..",
            ".",
            "./",
            "",
            "a b",
            "a;b",
            "a'b",
            'a"b',
            "a$b",
            "-a",
            "a\n",
        ],
        ["ä", "a\\b", "~/a", "a*"],
    ),
)
REVS = (
    ["live", "feature/x", "v1.2.3", "0" * 40, "42", 42, "a-b_c", "v1+build", "x@y", "fix#12"],
    both(
        [
            "-x",
            "a b",
            "a..b",
            "a;b",
            "a'b",
            "../a",
            "a//b",
            "a/",
            "a~1",
            "a^",
            "a:b",
            "a@{1}",
            "a.lock",
        ],
        [".a", "a\n", "$(id)", "a\\b", "/a"],
    ),
)
URLS = (
    ["/static/", "/a/b-c/d.e/", "/s~/", "/.a/"],
    both(
        ["static/", "/static", "/", "", "//", "/a b/", "/../", "/a/../", "/./", "/a//b/", "/a;b/"],
        ["https://cdn.example.com/", '/"/', "/{/"],
    ),
)
REPOSITORIES = (
    both(
        [
            "git@github.com:you/a.git",
            "ssh://git@host:2222/a.git",
            "ssh://host/a",
            "/srv/git/a.git",
        ],
        [
            "https://example.com/a.git",
            "http://example.com:8080/a",
            "file:///srv/git/a",
            "g@h:~/a",
        ],
    ),
    both(
        [
            "",
            "a",
            "../a",
            "/srv/../a",
            "https://example.com/../a",
            "https://ada:pw@example.com/a",
        ],
        [
            "ext::sh -c id",
            "git://example.com/a",
            "a b",
            "/srv/a b",
            "/srv/a;b",
            "https://h",
            "/",
        ],
        ["git@host:a'b", "-oProxyCommand=x", "ftp://example.com/a", "/a\n", "https:///a"],
    ),
)
# Setting: good values, and bad ones.
TABLE: dict[str, tuple[list[Any], list[Any]]] = {
    "app_name": (
        ["a", "blog", "my-blog-2", "a" * 24],
        ["", "Blog", "1a", "-a", "a_b", "a b", "a.b", "../a", "a/b", "a;b", "a'", "a" * 25, "a\n"],
    ),
    "app_repository": REPOSITORIES,
    "app_port": ([80, 8080, "443"], [0, 65536, "http", "", None, -80]),
    "app_branch": REVS,
    "rev": ([*REVS[0], ""], REVS[1]),
    "merge": REVS,
    "checkout_controller_repository": (["", *REPOSITORIES[0]], [r for r in REPOSITORIES[1] if r]),
    "wait": ([0, "0", 600, "86400"], [-1, "10m", "", 86401, "1.5", None]),
    "gate": (["open"], ["", "closed", "Open", True]),
    "app_functional_tests": (["", "pytest a", "sh -c 'a; b'"], ["  ", "a 'b", "a \\"]),
    "app_functional_tests_timeout": ([1, "1800", 3500], [0, "", "1h", None, 3501]),
    "app_url": (
        ["", "http://a.example", "https://a.example:8443", "http://[::1]:80"],
        [
            "a.example",
            "https://a.example/",
            "https://ada:pw@a.example",
            "ftp://a",
            "http://a b",
        ],
    ),
    "app_manage": (
        ["manage.py", "src/manage.py"],
        ["manage", "/srv/manage.py", "../manage.py", "", "a b/manage.py", "manage.py\n", 5],
    ),
    "app_settings_module": (
        ["", "settings", "shop.settings.live", "_a.b1"],
        ["shop/settings.py", "shop.", ".shop", "shop..settings", "1a", "a-b", "a b", "a;b", "a\n"],
    ),
    "app_local_settings": (
        ["", "local_settings.py", "src/config/local_settings.py"],
        ["local_settings", "/etc/a.py", "../a.py", "a b.py", "a.py\n", 5],
    ),
    "app_wsgi": (
        ["", "shop.wsgi:application", "wsgi:app", "django.core.wsgi:get_wsgi_application()"],
        ["shop.wsgi", "shop.wsgi.application", ":app", "a:", "a:b(1)", "a:b c", "a:b;c", "a:b\n"],
    ),
    "app_requirements": (["", *PATHS[0]], [path for path in PATHS[1] if path]),
    "app_python": (
        ["python3", "python3.11", "/usr/bin/python3", "/opt/py-3.12/bin/python3.12", "python"],
        [
            "",
            "perl",
            "python3 -E",
            "/bin/",
            "bin/python3",
            "python3;id",
            "/a b/python3",
            "python3\n",
        ],
    ),
    "app_gunicorn": (
        ["gunicorn", "gunicorn==23.0.0", "gunicorn>=22,<24", "gunicorn~=23.0", "gunicorn!=22.0"],
        ["", "uvicorn", "gunicorn 23", "gunicorn; id", "gunicorn==", "-r x", "gunicorn==1 --x"],
    ),
    "app_static_url": URLS,
    "app_media_url": URLS,
    "app_media_path": (
        [""],  # others must be among app_shared_paths: below
        ["media", "/media/", "../media/", "a b/", "./"],
    ),
    "app_health_path": (
        ["/", "/health/", "/health?deep=1&x=%20"],
        ["", "health", "/a b", "/ä", "/a\n", "/a\r\nX: y"],
    ),
    "app_health_status": (
        [200, 204, 302, 599, "200"],
        [199, 600, "ok", "", None, 20.5, -200, True],
    ),
    "app_health_timeout": ([1, 600, "30"], [0, -1, "soon", "", None, 1.5, True]),
    "app_build_timeout": ([1, 3600, "60"], [0, -1, "soon", "", None, 1.5, True]),
    "app_migrate_timeout": ([1, 1800, "60"], [0, -1, "soon", "", None, 1.5, True]),
    "migrations": (["auto", "keep", "reverse"], ["", "Auto", "back", True, None, "keep\n"]),
    "migration": (
        ["", "shows.0007", "shows.0007_fill_stage", "shows.zero"],
        ["shows", "0007", "shows.", "shows.0007;id", "shows 0007", "../a.b", "shows.0007\n", 7],
    ),
    **dict.fromkeys(
        ("allow_database_ahead", "allow_backwards_incompatible"),
        ([True, False, "true", "no", "1", 0], ["", "maybe", None, 2]),
    ),
    "push_branch": (["main", "feature/x"], ["", "a b", "-x", "a;b"]),
    "push_max_size": ([1, 1024, "5"], [0, -1, "1G", "", None]),
    "push_timeout": ([1, 3600, "5"], [0, -1, "1h", "", None]),
    "app_serial": ([1, 16, "3", "1%", "50%", "100%"], [0, -1, "0%", "101%", "all", "", None]),
    "app_keep_releases": ([2, 5, "10"], [1, 0, -5, "all", "", None, True]),
    "app_keep_snapshots": ([1, 10, "3"], [0, -1, "all", "", None, True]),
    "app_keep_snapshots_days": ([1, 365, "30"], [0, -1, "ever", "", None]),
    "app_backup_at": (
        ["", "daily", "*-*-* 03:30:00", "Mon..Fri 22:00 Europe/Berlin", "*:0/15", "Sat *-*~07/1"],
        ["daily\n", "daily; x", "%h", "a" * 101, None],
    ),
    "app_free_space": ([0, 500, "0"], [-1, "500M", "", None]),
    "app_free_inodes": ([0, 20000], [-1, "many", "", None]),
    "app_source_control": (["git", "hg"], ["svn", "", "git\n", None]),
    "app_service_manager": (["systemd", "supervisor", "upstart"], ["runit", "", "systemd ", None]),
    "app_web_server": (["nginx", "apache_proxy"], ["caddy", "", "nginx ", None]),
    "web_server_client_max_body_size": (
        ["20m", "512K", "1g", "0", 1048576],
        ["20 m", "20mb", "1.5g", "-1", "", "much", "20m;", None],
    ),
    **dict.fromkeys(
        ("gunicorn_memory_max", "app_build_memory_max"),
        (
            ["infinity", "512M", "1.5G", "2G", 536870912, "40%", "100%"],
            ["512MB", "512m", "0", "-1", "", "120%", "much", "512M;", None],
        ),
    ),
    "web_server_connections_per_address": ([0, 100, "20"], [-1, "", "many", 1.5, None]),
    "balancer_connections_per_address": ([0, 100, "20"], [-1, "", "many", 1.5, None]),
}
TABLE_OF_ITEMS: dict[str, tuple[list[Any], list[Any]]] = {
    "app_domains": (
        ["example.com", "www.example.com", "localhost", "127.0.0.1", "[::1]", "*.example.com"],
        ["", "a b", "a;b", "a/b", "https://a", "a:80", "a\n", "a'b", "a_b", "**.a", "ä.example"],
    ),
    "app_shared_paths": (PATHS[0], PATHS[1]),
    "app_databases": (
        ["default", "archive_2", "_a"],
        ["", "a b", "1a", "a-b", "a;b", "a.b", "a\n"],
    ),
    "app_system_packages": (
        ["libpq5", "g++", "python3.11-dev", "libc6:i386"],
        ["", "Libpq5", "a b", "-y", "a;b", "a=1", "a\n", "./a.deb"],
    ),
    "push_keys": (
        [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdl ada@laptop",
            "ssh-rsa AAAAB3NzaC1yc2E=",
            "ecdsa-sha2-nistp256 AAAAE2Vj Ada's own laptop",
            "sk-ssh-ed25519@openssh.com AAAAGnNr ada",
        ],
        ["", "id_ed25519.pub", "ssh-rsa A\nssh-rsa B", 'command="id" ssh-rsa AAAA'],
    ),
    **dict.fromkeys(
        ("app_commands_before_collectstatic", "app_commands_after_collectstatic"),
        (["npm ci", "sh -c 'a; b'", 'echo "x"'], ["", "  ", "echo 'x", 'echo "x', "echo \\"]),
    ),
}


def test_every_setting_is_in_the_tables() -> None:
    assert list(TABLE) == list(RULES)
    assert list(TABLE_OF_ITEMS) == list(RULES_OF_ITEMS)
    assert set(NAMES) - {*RULES, *RULES_OF_ITEMS, *RENAMED} == {
        "app_env",
        "app_environment",
        "app_hooks",
        "inventory_dir",
        "release_action",
        "gunicorn_open_files",
    }


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (good, _) in TABLE.items() for value in good]
)
def test_a_good_one(name: str, value: Any) -> None:
    assert problems({name: value}) == []


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (_, bad) in TABLE.items() for value in bad]
)
def test_a_bad_one(name: str, value: Any) -> None:
    shown = str(value).replace("ada:pw@", "…@")
    found = problems(
        {name: value, "app_shared_paths": [value]} if "media_path" in name else {name: value}
    )
    assert f"{name} is {shown!r}; it should be {RULES[name][0]}." in found


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, (good, _) in TABLE_OF_ITEMS.items() for value in good],
)
def test_a_list_with_a_good_one(name: str, value: Any) -> None:
    assert problems({name: [value]}) == []


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (_, bad) in TABLE_OF_ITEMS.items() for value in bad]
)
def test_a_list_with_a_bad_one(name: str, value: Any) -> None:
    good = TABLE_OF_ITEMS[name][0][0]
    assert problems({name: [good, value]}) == [
        f"{name} has {value!r}; it should be a list of {RULES_OF_ITEMS[name][0]}."
    ]


@pytest.mark.parametrize("name", RULES_OF_ITEMS)
@pytest.mark.parametrize("value", ["a", "media/", 5, {"a": 1}, None, True])
def test_a_list_is_a_list(name: str, value: Any) -> None:
    """A string would be a list of its letters otherwise, most of them good."""
    assert problems({name: value}) == [
        f"{name} is {str(value)!r}; it should be a list of {RULES_OF_ITEMS[name][0]}."
    ]


def test_a_setting_that_had_another_name() -> None:
    said = ["nginx_extra is 'return 410;'; it should be called web_server_extra."]
    assert problems({"nginx_extra": "return 410;"}) == said


AT_HOME = {"app_branch": "live", "app_repository": "git@example.com:ada/blog.git"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        (
            {"app_domains": []},
            ["app_domains is empty; it should have the site's names, the main one first."],
        ),
        ({"app_media_path": "media/", "app_shared_paths": ["db.sqlite3", "media/"]}, []),
        (
            {"app_media_path": "media/", "app_shared_paths": ["media"]},
            ["app_media_path is 'media/'; it should be one of app_shared_paths, or empty."],
        ),
        ({"app_env": {"A": "1", "B": PATHS[0][0]}}, []),
        (
            {"app_env": "A=s3cret"},
            ["app_env is of type str; it should be a dictionary of names and strings."],
        ),
        (
            {"app_env": ["s3cret"]},
            ["app_env is of type list; it should be a dictionary of names and strings."],
        ),
        (
            {"app_env": {"A": 4711, "B-C": "s3cret"}},
            [
                "app_env.A is of type int; it should be a string: put it in quotes.",
                "app_env has a variable named 'B-C'; names are letters, digits and underscores, "
                "and start with no digit.",
            ],
        ),
        ({"merge": "feature-x", "rev": "", **AT_HOME}, []),
        (
            {"merge": "-x", "rev": "v2", "app_repository": "/srv/git/a.git"},
            ["merge is '-x'; it should be the name of a branch or bookmark."],
        ),
        (
            {
                "app_source_control": "hg",
                "app_repository": "hg@example.com:ada/blog",
                "checkout_controller_repository": "ssh://hg@example.com/ada/blog",
            },
            [
                "app_repository is 'hg@example.com:ada/blog', which is no address to Mercurial; it "
                "should be ssh://hg@example.com/ada/blog"
            ],
        ),
        (
            {**AT_HOME, "merge": "x", "app_source_control": "hg", "app_repository": "/srv/hg/a"},
            [
                "app_repository is '/srv/hg/a', a path on the host, and merge needs to reach it "
                "from this machine: set checkout_controller_repository, such as "
                "ssh://you@host//srv/hg/a."
            ],
        ),
        (
            {"merge": "live", "rev": "v2", **AT_HOME},
            [
                "merge is 'live', and rev is 'v2'; give one of them: what is deployed is live with "
                "the branch in it.",
                "merge is 'live', which is the branch of this environment itself; it should be "
                "another one.",
            ],
        ),
        (
            {"merge": "feature-x", **AT_HOME, "app_repository": "file:///srv/git/a.git"},
            [
                "app_repository is 'file:///srv/git/a.git', a path on the host, and merge needs to "
                "reach it from this machine: set checkout_controller_repository, such as "
                "ssh://you@host/srv/git/a.git."
            ],
        ),
        (
            {
                "merge": "feature-x",
                **AT_HOME,
                "app_repository": "/srv/git/a.git",
                "checkout_controller_repository": "ssh://ada@www/srv/git/a.git",
            },
            [],
        ),
        ({"app_hooks": dict.fromkeys(HOOKS, "hooks/a.yml")}, []),
        (
            {"app_hooks": {"afterwards": "a.yml"}},
            [f"app_hooks has 'afterwards'; the moments are {', '.join(HOOKS)}."],
        ),
        (
            {"app_name": "A", "app_branch": "-x", "app_databases": ["a b"]},
            [
                f"app_name is 'A'; it should be {RULES['app_name'][0]}.",
                "app_branch is '-x'; it should be the name of a branch or bookmark.",
                "app_databases has 'a b'; it should be a list of names of databases in the "
                "settings.",
            ],
        ),
    ],
)
def test_what_is_wrong_together(settings: dict[str, Any], found: list[str]) -> None:
    assert problems(settings) == found


def test_a_hook_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "there.yml").touch()
    hooks = {"before_build": "there.yml", "after_build": str(tmp_path / "there.yml")}
    assert problems({"app_hooks": hooks, "inventory_dir": str(tmp_path)}) == []
    hooks["after_build"] = "gone.yml"
    assert problems({"app_hooks": hooks, "inventory_dir": str(tmp_path)}) == [
        "app_hooks.after_build is 'gone.yml'; it should be a file with tasks, by its whole path or "
        "as seen from the folder of the inventory."
    ]


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([], []),
        ([{"path": "/?a=b", "contains": "“x”"}, {"path": "/", "status": "301"}], []),
        ([{"url": "https://a.example/b", "headers": {"Location": "https:"}}], []),
        (
            ["/"],
            ["app_smoke_pages has '/'; each should be a dictionary with a path or a url."],
        ),
        (
            [{"status": 200}],
            ["app_smoke_pages has {'status': 200}; each should be a dictionary with a path or"],
        ),
        (
            [{"path": "/", "text": "x"}],
            ["app_smoke_pages has a page with 'text'; there are path, url, status, contains, head"],
        ),
        *(
            (
                [{"path": "/", **wrong}],
                [f"app_smoke_pages has a page whose {name} is {value!r}; it should be "],
            )
            for wrong in (
                {"path": "a"},
                {"path": "/a\r\nb"},
                {"status": 99},
                {"contains": 5},
                {"headers": {"a": 5}},
                {"headers": ["a"]},
                {"green_room": "perhaps"},
            )
            for name, value in wrong.items()
        ),
        (
            [{"url": "ftp://a"}],
            [
                "app_smoke_pages has a page whose url is 'ftp://a'; it should be https://… or http://"
            ],
        ),
    ],
)
def test_pages_to_try(pages: Any, found: list[str]) -> None:
    said = problems({"app_smoke_pages": pages})
    assert [line.startswith(start) for line, start in zip(said, found, strict=True)] == [
        True
    ] * len(found)


@pytest.mark.parametrize(
    ("action", "word", "said"),
    [
        (
            "rollback",
            "merge",
            "merge is 'x', and rollback.yml takes none; deploy.yml merges a branch.",
        ),
        (
            "promote",
            "rev",
            "rev is 'x', and promote.yml takes none; deploy.yml and rollback.yml go to",
        ),
        ("rollback", "rev", ""),
        ("deploy", "rev", ""),
        ("restore", "rev", "rev is 'x', and restore.yml takes none"),
    ],
)
def test_words_for_other_playbooks(action: str, word: str, said: str) -> None:
    found = problems({"release_action": action, word: "x", **AT_HOME})
    assert "\n".join(found).startswith(said)
    assert len(found) == bool(said)


TESTED = {"app_environment": "staging", "app_repository": "git@host:a.git"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"app_functional_tests": "sh -c true"}, []),
        ({"app_functional_tests": "./run 'a b'"}, []),
        ({"app_functional_tests": "manage.py test"}, []),
        (
            {"app_functional_tests": "no-such-program 'a b'"},
            [
                "app_functional_tests is \"no-such-program 'a b'\", and no-such-program is no "
                "program of this machine, where the tests run."
            ],
        ),
        (
            {"app_functional_tests": "sh", "app_repository": "/srv/git/a.git"},
            [
                "app_repository is '/srv/git/a.git', a path on the host, and app_functional_tests "
                "needs to reach it from this machine: set checkout_controller_repository, such as "
                "ssh://you@host/srv/git/a.git."
            ],
        ),
        ({"app_functional_tests": "no-such-program", "app_environment": "live"}, []),
        (
            {"release_action": "functional_tests"},
            ["app_functional_tests is empty; it should be the command that runs your tests."],
        ),
        (
            {"release_action": "functional_tests", "app_environment": "live"},
            [
                "Functional tests write what they like, so they run on staging; this is live. Give "
                "the other inventory: -i inventories/staging"
            ],
        ),
    ],
)
def test_functional_tests(settings: dict[str, Any], said: list[str]) -> None:
    assert problems({**TESTED, **settings}) == said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "merge is 'x', and live takes only what has passed its functional tests on staging,"),
        ({"gate": "open"}, ""),
        ({"app_environment": "staging", "app_functional_tests": "sh"}, ""),
        ({"app_functional_tests": ""}, ""),
    ],
)
def test_a_merge_on_live_cannot_have_been_tested(settings: dict[str, Any], said: str) -> None:
    live = {"app_environment": "live", "app_functional_tests": "pytest", "merge": "x", **AT_HOME}
    found = problems({**live, **settings})
    assert "\n".join(found).startswith(said)
    assert len(found) == bool(said)


LOCAL = {"app_local_settings": "config/local.py"}


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({**LOCAL, "app_local_settings_content": 'KEY = "s3cret"\n', "app_manage": "a.py"}, []),
        ({"app_local_settings_content": "none is wanted"}, []),
        (
            {**LOCAL, "app_local_settings_content": 'A = 1\nKEY = "s3cret\n'},
            [
                "app_local_settings_template makes no Python: unterminated string literal "
                "(detected at line 2) in line 2 of config/local.py."
            ],
        ),
        (
            {**LOCAL, "app_install_project": "yes"},
            [
                "app_local_settings is 'config/local.py', and app_install_project would install "
                "that file for all releases; give one of them."
            ],
        ),
        (
            {**LOCAL, "app_shared_paths": ["media/", "config/"]},
            ["app_shared_paths has 'config', which is the release's own."],
        ),
    ],
)
def test_local_settings(settings: dict[str, Any], found: list[str]) -> None:
    assert problems(settings) == found


def test_a_template_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "local.py.j2"
    assert problem_of_template(str(path), "no such file") == (
        f"app_local_settings_template is '{path}'; it should be a file, by its whole path or as "
        "seen from the folder of the inventory."
    )
    path.write_text('A = 1\nKEY = "{{ key }}"\nB = 2\n')
    start = "app_local_settings_template cannot be read:"
    assert problem_of_template(str(path), "'key' is undefined") == (
        f"{start} 'key' is undefined ({path}, line 2)"
    )
    assert problem_of_template(str(path), "Whatever") == f"{start} Whatever ({path})"


OPTIONS: dict[str, dict[str, Any]] = {
    "app_name": {"type": "str", "required": True},
    "count": {"type": "int"},
    "yes": {"type": "bool"},
    "names": {"type": "list"},
    "table": {"type": "dict"},
    "which": {"type": "str", "choices": ["uv", "pip"]},
    "token": {"type": "str", "no_log": True},
    "any": {"type": "raw"},
}


@pytest.mark.parametrize(
    ("name", "value"),
    both(
        [
            ("count", 5),
            ("count", "5"),
            ("count", -1),
            ("yes", True),
            ("yes", "no"),
            ("yes", "True"),
        ],
        [
            ("yes", 1),
            ("names", []),
            ("names", ("a",)),
            ("table", {}),
            ("which", "pip"),
            ("any", 1.5),
        ],
        [("token", "s3cret"), ("token", 5)],
    ),
)
def test_a_value_of_its_type(name: str, value: Any) -> None:
    assert problems({"app_name": "blog", name: value}, OPTIONS) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("count", "five", "count is 'five'; it should be a whole number."),
        ("count", 1.5, "count is '1.5'; it should be a whole number."),
        ("count", True, "count is 'True'; it should be a whole number."),
        ("yes", "maybe", "yes is 'maybe'; it should be yes or no."),
        ("names", "a", "names is 'a'; it should be a list."),
        ("names", {"a": 1}, "names is \"{'a': 1}\"; it should be a list."),
        ("table", ["a"], "table is \"['a']\"; it should be a dictionary."),
        ("which", "poetry", "which is 'poetry'; it should be uv or pip."),
        ("token", ["s3cret"], "token is of type list; it should be a string."),
        ("token", {"s3cret": 1}, "token is of type dict; it should be a string."),
        ("app_name", None, f"app_name is 'None'; it should be {RULES['app_name'][0]}."),
    ],
)
def test_a_value_of_another_type(name: str, value: Any, said: str) -> None:
    assert problems({"app_name": "blog", name: value}, OPTIONS) == [said]


def test_what_is_required() -> None:
    assert problems({}, OPTIONS) == [f"app_name is not set; it should be {RULES['app_name'][0]}."]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["media/", "db.sqlite3"], []),
        ([".greenroom/x/"], ["app_shared_paths has '.greenroom/x', which is the release's own."]),
        ([".venv/"], ["app_shared_paths has '.venv', which is the release's own."]),
        (["manage.py"], ["app_shared_paths has 'manage.py', which is the release's own."]),
        (
            ["data/", "data/more/"],
            [
                "app_shared_paths has 'data/more' twice, or within another of its paths.",
            ],
        ),
    ],
)
def test_what_cannot_outlive_a_release(paths: list[str], said: list[str]) -> None:
    assert problems({"app_shared_paths": paths}) == said


ONE, TWO, DATABASE = "192.0.2.1", "2001:db8::2", "192.0.2.9"
ADDRESSES = {"web1": ONE, "web2": TWO, "db1": DATABASE, "db2": DATABASE}


@pytest.mark.parametrize(
    ("hosts", "database"),
    [
        pytest.param(["web1"], [], id="on the app's own host"),
        pytest.param(["web1"], ["web1"], id="the same, in words"),
        pytest.param(["web1", "web2"], ["db1"], id="on a host of its own"),
        pytest.param(["web1", "web2"], ["web1"], id="on one of the app's hosts"),
    ],
)
def test_where_a_database_can_be(hosts: list[str], database: list[str]) -> None:
    assert problems_of_database("blog", hosts, database, ADDRESSES) == []


def test_a_host_that_reaches_its_database_at_home_needs_no_address() -> None:
    assert problems_of_database("blog", ["web1"], ["web1"], {"web1": "www.example.com"}) == []


@pytest.mark.parametrize(
    ("hosts", "database", "said"),
    [
        (
            ["web1", "web2"],
            [],
            "app_database is 'postgresql', and web1, web2 need one database: name its host in the "
            "inventory, in a group database. It may be one of them.",
        ),
        (
            ["web1"],
            ["db1", "db2"],
            "The group database has db1, db2; it should be the one host that PostgreSQL runs on.",
        ),
    ],
)
def test_where_a_database_cannot_be(hosts: list[str], database: list[str], said: str) -> None:
    assert problems_of_database("blog", hosts, database, ADDRESSES) == [said]


@pytest.mark.parametrize("address", ["web1.example.com", "192.0.2.0/24", "fe80::1%eth0", "", "*"])
def test_a_host_whose_address_is_not_known(address: str) -> None:
    addresses = {**ADDRESSES, "web1": address}
    assert problems_of_database("blog", ["web1", "web2"], ["db1"], addresses) == [
        f"The address of web1 is {address!r}; with a database on a host of its own it should be an "
        "IP address: set database_address of web1 in the inventory."
    ]
    assert len(problems_of_database("blog", ["web1"], ["db1"], dict.fromkeys(ADDRESSES, "x"))) == 2


@pytest.mark.parametrize("name", ["postgres", "postgresql", "template1", "public"])
def test_a_name_that_postgresql_has_for_itself(name: str) -> None:
    (said,) = problems_of_database(name, ["web1"], [], ADDRESSES)
    assert said.startswith(f"app_name is {name!r}, which PostgreSQL has for itself; choose another")


def test_a_balancer_needs_addresses_and_a_host_of_its_own() -> None:
    addresses = {"web1": "192.0.2.1", "web2": "192.0.2.2", "www": "192.0.2.9"}
    assert problems_of_balancer(["web1", "web2"], [], {}) == []
    assert problems_of_balancer(["web1", "web2"], ["www"], addresses) == []
    assert problems_of_balancer(["web1"], ["www"], {**addresses, "www": "www.example.com"}) == [
        "The address of www is 'www.example.com'; with a balancer it should be an IP address: set "
        "balancer_address of www in the inventory."
    ]
    assert problems_of_balancer(["web1", "web2"], ["web2"], addresses) == [
        "The group balancer has web2, of the hosts that it is to be in front of, and one port "
        "cannot be both; it should have hosts of its own."
    ]
    assert problems_of_balancer(["web 1"], ["www"], {**addresses, "web 1": "192.0.2.1"}) == [
        "The inventory has 'web 1', which HAProxy cannot call a host; a name should be of letters, "
        "digits, dots, hyphens and underscores."
    ]


def test_a_host_deploys_to_itself_alone() -> None:
    assert problems_of_push(["web1"], []) == []
    for hosts, balancers, said in (
        (["web1", "web2"], [], "web1, web2"),
        (["web1"], ["www"], "web1, www"),
    ):
        (problem,) = problems_of_push(hosts, balancers)
        assert problem.startswith(f"The inventory has {said}, and a host that is pushed to")


def test_a_private_key_is_not_shown() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret"
    assert problems({"push_keys": [key]}) == [
        f"push_keys has a private key; it should be a list of {RULES_OF_ITEMS['push_keys'][0]}."
    ]


def test_somebody_has_to_be_let_in() -> None:
    (problem,) = problems({"push_keys": []})
    assert problem.startswith("push_keys is empty")


def test_where_upstart_runs_cron_must_know_the_time_of_the_backups() -> None:
    at = {"app_backup_at": "Sat *-*~07/1", "app_service_manager": "upstart"}
    found = problems(at)
    assert [text.split(", ")[0] for text in found] == ["app_backup_at is 'Sat *-*~07/1'"]
    assert "it should be hourly, daily, weekly" in found[0]
    for fine in ({"app_backup_at": "Mon..Fri 22:00"}, {"app_backup_at": ""}):
        assert problems({**at, **fine}) == []
    assert problems({**at, "app_service_manager": "supervisor"}) == []


def test_apache_runs_releases_itself_or_does_not() -> None:
    both = {"app_web_server": "apache", "app_service_manager": "mod_wsgi"}
    assert problems(both) == problems({**both, "app_python": "python3"}) == []
    (problem,) = problems({**both, "app_service_manager": "supervisor"})
    assert problem.endswith("leave that out, or set app_web_server to apache_proxy.")
    (problem,) = problems({**both, "app_web_server": "nginx"})
    assert problem.endswith("app_web_server is 'nginx'; it should be apache.")
    (problem,) = problems({**both, "app_python": "python3.12"})
    assert problem.startswith("app_python is 'python3.12'; with app_web_server apache it should")
    assert problems({**both, "gunicorn_open_files": "8192"}) == []
    (problem,) = problems({**both, "gunicorn_open_files": 8193})
    assert problem.startswith("gunicorn_open_files is 8193; with app_web_server apache it should")
