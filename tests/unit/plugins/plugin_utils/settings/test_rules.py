from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.plugin_utils._settings import NAMES, problems
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.rules import (
    RULES,
    RULES_OF_ITEMS,
)
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.words import OPTIONS

from tests.unit.roles.project import ROLES, options_of_role


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
NO_TEXTS = ["", "many", "1.5", 1.5, None, True, "0120", "1:20", "-1", " 5", "5\n"]
NO_NUMBERS = [-4, 0, 10**9, *NO_TEXTS]
# Setting: good values, and bad ones.
TABLE: dict[str, tuple[list[Any], list[Any]]] = {
    "app_name": (
        ["a", "blog", "my-blog-2", "a" * 24],
        ["", "Blog", "1a", "-a", "a_b", "a b", "a.b", "../a", "a/b", "a;b", "a'", "a" * 25, "a\n"],
    ),
    "app_repository": REPOSITORIES,
    "app_port": ([80, 8080, "443"], [0, 65536, "http", "", None, -80, "0120", "1:20", "+80"]),
    "app_branch": REVS,
    "rev": ([*REVS[0], ""], REVS[1]),
    "merge": REVS,
    "checkout_controller_repository": (["", *REPOSITORIES[0]], [r for r in REPOSITORIES[1] if r]),
    "wait": ([0, "0", 600, "86400"], [-1, "10m", "", 86401, "1.5", None]),
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
        (
            "allow_database_ahead",
            "allow_backwards_incompatible",
            "allow_untested",
            "allow_live",
            "restore_database",
        ),
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
        ["daily\n", "daily; x", "%h", "whenever", "25:00", None],
    ),
    "app_free_space": ([0, 500, "0"], [-1, "500M", "", None]),
    "app_free_inodes": ([0, 20000], [-1, "many", "", None]),
    "app_database": (["sqlite", "postgresql"], ["mysql", "", "sqlite ", None]),
    "app_source_control": (["git", "hg"], ["svn", "", "git\n", None]),
    "app_service_manager": (["systemd", "supervisor", "upstart"], ["runit", "", "systemd ", None]),
    "app_web_server": (["nginx", "apache_proxy"], ["caddy", "", "nginx ", None]),
    "web_server_client_max_body_size": (
        ["20m", "512K", "1g", "0", 1048576],
        ["20 m", "20mb", "1.5g", "-1", "", "much", "20m;", None, "9999999999g"],
    ),
    **dict.fromkeys(
        ("gunicorn_memory_max", "app_build_memory_max"),
        (
            ["infinity", "512M", "1.5G", "2G", 536870912, "40%", "100%"],
            ["512MB", "512m", "0", "-1", "", "120%", "much", "512M;", None, 512, "7M", "9" * 20],
        ),
    ),
    **dict.fromkeys(("gunicorn_workers", "gunicorn_threads"), ([1, "3", 1000], NO_NUMBERS)),
    "gunicorn_timeout": ([0, 30, "86400"], [-4, 86401, *NO_TEXTS]),
    "gunicorn_drain": ([0, 1, "3600"], [-4, 3601, *NO_TEXTS]),
    "gunicorn_graceful_timeout": ([1, 30, "86400"], NO_NUMBERS),
    "gunicorn_max_requests": ([0, 1000, "5"], [-4, *NO_TEXTS]),
    "gunicorn_open_files": ([64, 4096, "1048576"], [1048577, 63, *NO_NUMBERS]),
    **dict.fromkeys(("checkout_timeout", "web_server_proxy_timeout"), ([1, "60"], NO_NUMBERS)),
    "web_server_retry_after": ([0, "10", 86400], [-4, 86401, *NO_TEXTS]),
    "web_server_connections_per_address": ([0, 100, "65535"], [-1, 65536, *NO_TEXTS]),
    "web_server_user": (["www-data", "_www", "caddy"], ["root", "", "0", "www data", "a\n", "A"]),
    "balancer_timeout": ([1, "60", 86400], NO_NUMBERS),
    "balancer_connections_per_address": ([0, 100, "20"], [-1, "", "many", 1.5, None]),
    **dict.fromkeys(
        ("virtualenv_uv_version", "virtualenv_linter_version"),
        (["1", "0.13.9", "5.2.0rc1"], ["", "latest", "1.2; id", "==1.2", "1.2\n", 3.1]),
    ),
    "drop_replaced": ([True, "no"], ["", "perhaps", 2]),
}
TABLE_OF_ITEMS: dict[str, tuple[list[Any], list[Any]]] = {
    "app_domains": (
        ["example.com", "xn--bcher-kva.example", "localhost", "127.0.0.1", "[::1]", ".example.com"],
        [
            *(
                "",
                "a b",
                "a;b",
                "a/b",
                "https://a",
                "a:80",
                "a\n",
                "a'b",
                "a_b",
                "**.a",
                "ä.example",
            ),
            *("a..b", "a.", "-a.b", "a-.b", "b." + "a" * 64, ".".join(["a" * 60] * 5), "1.2.3"),
            *("1.2.3.256", "[::g]", "[1.2.3.4]", "*", "a.*.b", "*.", None, 1.1),
        ],
    ),
    "app_shared_paths": (PATHS[0], PATHS[1]),
    "app_databases": (
        ["default", "archive_2", "_a"],
        ["", "a b", "1a", "a-b", "a;b", "a.b", "a\n"],
    ),
    "checkout_known_hosts": (
        [
            "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGdl",
            "[git.example.org]:2222,192.0.2.1 ecdsa-sha2-nistp256 AAAA= of Ada's",
            "@cert-authority *.example.org ssh-rsa AAAA",
            "# git.example.org\n|1|a=|b= ssh-rsa AAAA\n",
        ],
        [
            "",
            "\n",
            "git.example.org",
            "git.example.org ssh-rsa",
            "# none\nx",
            "a ssh-rsa A\0",
            None,
        ],
    ),
    "gunicorn_writable_paths": (
        ["/var/lib/blog", "/srv/files/blog/", "/var/log/blog", "/run/blog", "/data", "/mnt/a@b"],
        [
            *(
                "/",
                "/etc",
                "/etc/blog",
                "/usr/local/lib",
                "/var",
                "/var/lib/",
                "/var/lib/dpkg/info",
            ),
            *("/root", "/home/ada", "/tmp/a", "/proc/1", "/var/../etc", "//etc", "/lib64", "/srv"),
            *("", "blog", "../a", "/a b", "/a%b", "/a\n", "~/a", None, 5),
        ],
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
        (["npm ci", "sh -c 'a; b'", 'echo "x"'], ["", " ", "echo 'x", 'echo "x', "a \\", None, 5]),
    ),
}


def test_every_setting_is_in_the_tables() -> None:
    assert list(TABLE) == list(RULES)
    assert list(TABLE_OF_ITEMS) == list(RULES_OF_ITEMS)
    assert set(NAMES) - {*RULES, *RULES_OF_ITEMS, *OPTIONS} == {
        "app_env",
        "app_environment",
        "app_hooks",
        "inventory_dir",
        "release_action",
        "web_server_serve_static",
    }


def test_every_number_has_a_range() -> None:
    options = {name: option for role in ROLES for name, option in options_of_role(role).items()}
    numbers = {name for name, option in options.items() if option["type"] == "int"}
    assert numbers - RULES.keys() == set()
    assert [name for name in numbers if not problems({name: -4})] == []
    assert [name for name in numbers if problems({name: options[name]["default"]})] == []


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
    assert any(line.startswith(f"{name} is {shown!r}; it should be ") for line in found)


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
    (said,) = problems({name: [good, value]})
    assert said.startswith(
        f"{name} has {str(value)!r}; it should be a list of {RULES_OF_ITEMS[name][0]}."
    )


@pytest.mark.parametrize("name", RULES_OF_ITEMS)
@pytest.mark.parametrize("value", ["a", "media/", 5, {"a": 1}, None, True])
def test_a_list_is_a_list(name: str, value: Any) -> None:
    """A string would be a list of its letters otherwise, most of them good."""
    assert problems({name: value}) == [
        f"{name} is {str(value)!r}; it should be a list of {RULES_OF_ITEMS[name][0]}."
    ]


def test_a_private_key_is_not_shown() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret"
    assert problems({"push_keys": [key]}) == [
        f"push_keys has a private key; it should be a list of {RULES_OF_ITEMS['push_keys'][0]}."
    ]


def test_somebody_has_to_be_let_in() -> None:
    (problem,) = problems({"push_keys": []})
    assert problem.startswith("push_keys is empty")
