"""What the templates make of the defaults, and of settings that differ from them."""

from __future__ import annotations

import configparser
import json
import os
import re
import runpy
from pathlib import Path
from typing import Any

import jinja2
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader
from ansible.template import Templar
from ansible_collections.greenroom.django.plugins.filter.environment import python

from tests.unit.roles.project import ROLES, ROOT, options_of_role, variables_of_role

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core before 2.19, to which every string is a template

    def trust_as_template(value: str) -> str:
        return value


# Without the whole of Ansible, filters of the collection have their short names alone.
filter_loader.add_directory(str(ROOT / "plugins/filter"))

SETTINGS: dict[str, Any] = {
    "app_name": "blog",
    "app_repository": "git@example.com:ada/blog.git",
    "app_domains": ["www.example.com", "example.com"],
    "group_names": ["live"],
    "push_keys": ["ssh-ed25519 AAAA ada@laptop"],  # by default, those of whoever runs this
    "ansible_managed": "Ansible managed",
    "inventory_hostname": "web1",
    "groups": {"live": ["web1"]},
    "hostvars": {"web1": {"ansible_host": "192.0.2.1"}},
}


def trusted(value: Any) -> Any:
    """The value with all its strings as templates, as Ansible takes those of a playbook."""
    if isinstance(value, str):
        return trust_as_template(value.replace("greenroom.django.", ""))
    if isinstance(value, dict):
        return {key: trusted(inner) for key, inner in value.items()}
    return [trusted(inner) for inner in value] if isinstance(value, list) else value


def render(path: str, **settings: Any) -> str:
    """A template of a role, with all defaults and these settings."""
    variables: dict[str, Any] = {}
    for role in ROLES:
        variables |= variables_of_role(role)
    variables |= {**SETTINGS, "app_backup_at": "daily", **settings}
    loader = DataLoader()
    role, name = path.split("/", 1)
    loader.set_basedir(str(ROOT / "roles" / role))
    text = (ROOT / "roles" / role / "templates" / name).read_text()
    # Lookups need all of Ansible; this is the one that there is.
    lookup = "{{ lookup('ansible.builtin.file', 'known_hosts') }}"
    if lookup in text:
        text = text.replace(lookup, (ROOT / "roles" / role / "files/known_hosts").read_text())
    templar = Templar(loader=loader, variables=trusted(variables))
    return str(templar.template(trusted(text)) or "")


TEMPLATES = sorted(
    f"{path.parents[depth].name}/{path.relative_to(path.parents[depth - 1])}"
    for depth in (1, 2)
    for path in ROOT.glob("roles/*/templates/" + "*/" * (depth - 1) + "*.j2")
)


# These are no files of a configuration: two hold secrets, three are messages, and one goes into a
# file of somebody else.
OTHERS = [
    "app/local_settings.py.j2",
    "checkout/git-credentials.j2",
    "checkout/unreachable.j2",
    "database/pg_hba.conf.j2",
    "database/taken.j2",
    "push/how_to_push.j2",
]
FILES = [path for path in TEMPLATES if path not in OTHERS]


@pytest.mark.parametrize("path", FILES)
def test_it_says_who_manages_it_and_leaves_nothing_open(path: str) -> None:
    text = render(path)
    assert text.startswith("#\n# Ansible managed\n#\n")
    assert "{{" not in text
    assert "{%" not in text
    assert "\n\n\n" not in text


def server(text: str) -> dict[str, list[str]]:
    """The blocks of an nginx configuration by what opens them, each with its lines."""
    blocks: dict[str, list[str]] = {}
    open_ones: list[str] = []
    for line in (line.strip() for line in text.splitlines()):
        if line.endswith("{"):
            open_ones.append(line[:-1].strip())
            assert open_ones[-1] not in blocks
            blocks[open_ones[-1]] = []
        elif line == "}":
            open_ones.pop()
        elif line and not line.startswith("#"):
            assert line.endswith(";"), line
            blocks[open_ones[-1] if open_ones else ""] = [
                *blocks.get(open_ones[-1] if open_ones else "", []),
                line[:-1],
            ]
    assert open_ones == []
    return blocks


REFUSE_DOTS = r'if ($request_uri ~* "^[^?#]*(/|%2f)(\.|%2e){1,2}(/|%2f|\?|#|$)")'
PATHS = {
    "/a": False,
    "/a..b/.c/d./...": False,
    "/a?b=/../c": False,
    "/..": True,
    "/a/./b": True,
    "/a/%2E%2e/b": True,
    "/a%2f..%2Fb": True,
    "/a/..?b": True,
}


@pytest.mark.parametrize(("path", "is_refused"), PATHS.items())
def test_paths_that_nginx_would_read_otherwise_than_the_app(path: str, is_refused: bool) -> None:
    pattern = re.search('"(.*)"', REFUSE_DOTS)
    assert pattern
    assert bool(re.search(pattern[1], path, re.IGNORECASE)) is is_refused


def test_the_limit_of_connections_can_be_off() -> None:
    for path, word in (
        ("web_server/nginx/site.conf.j2", "limit_conn greenroom 7"),
        ("web_server/apache/greenroom.conf.j2", "SecConnReadStateLimit 7"),
        ("balancer/haproxy.cfg.j2", "if { sc0_conn_cur gt 7 }"),
    ):
        name = f"{path.split('/')[0]}_connections_per_address"
        assert word in render(path, **{**BALANCED, name: 7})
        off = render(path, **{**BALANCED, name: 0})
        assert not {"limit_conn", "SecConn", "sc0"} & set(
            re.findall(r"limit_conn|SecConn|sc0", off)
        )


def test_the_site() -> None:
    blocks = server(render("web_server/nginx/site.conf.j2"))
    assert list(blocks) == [
        "map $greenroom_asked $greenroom_known_blog",
        "server",
        "if ($greenroom_known_blog = 0)",
        REFUSE_DOTS,
        "location /static/",
        "location @static_before",
        "location /media/",
        "location /",
        "location @app",
        "if (-f /srv/blog/maintenance)",
        "location = /503.html",
    ]
    assert blocks["map $greenroom_asked $greenroom_known_blog"] == [
        "hostnames",
        "default 0",
        "www.example.com 1",
        "example.com 1",
    ]
    assert 'proxy_set_header X-Forwarded-Host ""' in blocks["server"]
    assert blocks["server"][:5] == [
        "listen 80",
        "listen [::]:80",
        "server_name www.example.com example.com",
        "server_tokens off",
        "underscores_in_headers off",
    ]
    assert "client_max_body_size 20m" in blocks["server"]
    assert blocks["location /static/"][0] == "root /srv/blog/current/.greenroom/public"
    assert blocks["location /media/"][0] == "alias /srv/blog/shared/media/"
    assert "proxy_pass http://unix:/run/blog/current.sock:" in blocks["location @app"]
    assert "proxy_read_timeout 60s" in blocks["location @app"]
    assert "add_header Retry-After 10 always" in blocks["location = /503.html"]
    assert blocks["if (-f /srv/blog/maintenance)"] == ["return 503"]
    assert "error_page 502 503 504 =503 /503.html" in blocks["location @app"]


def test_a_site_that_differs() -> None:
    blocks = server(
        render(
            "web_server/nginx/site.conf.j2",
            app_port=8080,
            web_server_serve_static=False,
            web_server_client_max_body_size="1g",
            web_server_proxy_timeout=5,
            web_server_extra="location /legacy/ {\n    return 410;\n}\n",
            app_media_path="",
        )
    )
    assert list(blocks) == [
        "map $greenroom_asked $greenroom_known_blog",
        "server",
        "if ($greenroom_known_blog = 0)",
        REFUSE_DOTS,
        "location /",
        "location @app",
        "if (-f /srv/blog/maintenance)",
        "location = /503.html",
        "location /legacy/",
    ]
    assert blocks["location /legacy/"] == ["return 410"]
    assert {"listen 8080", "listen [::]:8080", "client_max_body_size 1g"} <= set(blocks["server"])
    assert "proxy_send_timeout 5s" in blocks["location @app"]


def test_other_paths_for_static_files_and_uploads() -> None:
    settings = {
        "app_static_url": "/assets/",
        "app_media_url": "/files/",
        "app_media_path": "up/load/",
    }
    blocks = server(render("web_server/nginx/site.conf.j2", **settings))
    assert "location /assets/" in blocks
    assert blocks["location /files/"][0] == "alias /srv/blog/shared/up/load/"
    assert not {"location /static/", "location /media/"} & blocks.keys()


BALANCED = {
    "groups": {"live": ["web1", "web2"], "balancer": ["www"]},
    "hostvars": {
        "web1": {"ansible_host": "192.0.2.1"},
        "web2": {"ansible_host": "192.0.2.2", "balancer_address": "2001:db8::2"},
        "www": {"ansible_host": "192.0.2.9"},
    },
}


def test_the_balancer_alone_is_believed_who_the_visitor_is() -> None:
    blocks = server(render("web_server/nginx/site.conf.j2", app_name="my-blog", **BALANCED))
    name = 'map "$realip_remote_addr $http_x_forwarded_proto" $my_blog_scheme'
    assert blocks[name] == ["default $scheme", '"192.0.2.9 https" https']
    assert {"set_real_ip_from 192.0.2.9", "real_ip_header X-Forwarded-For"} <= set(blocks["server"])
    assert "proxy_set_header X-Forwarded-Proto $my_blog_scheme" in blocks["server"]
    alone = render("web_server/nginx/site.conf.j2")
    assert "real_ip" not in alone
    assert "X-Forwarded-Proto $scheme;" in alone


def apache(**settings: Any) -> dict[str, list[str]]:
    """The blocks of the app's site on Apache by what opens them, each with its lines."""
    blocks: dict[str, list[str]] = {}
    open_ones: list[str] = [""]
    lines = render("web_server/apache/site.conf.j2", **settings).splitlines()
    for line in (line.strip() for line in lines):
        if line.startswith("</"):
            assert open_ones.pop().split()[0] == line[2:-1]
        elif line.startswith("<"):
            open_ones.append(line[1:-1])
        elif line and not line.startswith("#"):
            blocks.setdefault(open_ones[-1], []).append(line)
    assert open_ones == [""]
    return blocks


def test_the_site_on_apache() -> None:
    blocks = apache()
    site = blocks["VirtualHost *:80"]
    assert site[:2] == ["ServerName www.example.com", "ServerAlias www.example.com example.com"]
    assert 'RewriteCond expr "%{HTTP:Content-Length} -gt 20971520"' in site
    (proxy,) = [line for line in site if line.startswith("ProxyPass / ")]
    assert proxy == (
        "ProxyPass / unix:/run/blog/current.sock|http://blog/ nocanon disablereuse=on retry=0 "
        "connectiontimeout=5 timeout=60"
    )
    # The first one counts: static files are there in a maintenance, and uploads are no app's.
    order = [
        "THE_REQUEST",
        "ENV:REDIRECT_STATUS",
        "Content-Length",
        "current/.greenroom/public",
        "current/.greenroom/before",
        "maintenance",
    ]
    lines = [line for line in site if line.startswith("RewriteCond")]
    assert [next(word for word in order if word in line) for line in lines[:6]] == order
    assert site.index("ProxyPass /media/ !") < site.index(proxy)
    assert "RewriteRule ^/static/ /srv/blog/current/.greenroom/public%{REQUEST_URI} [END]" in site
    assert "Header set Retry-After 10" in blocks["Directory /var/www/greenroom"]
    media = blocks["Directory /srv/blog/shared/media/"]
    assert "Require all granted" in media
    # One level up: the folder itself could be a link that the app has put there.
    assert blocks["Directory /srv/blog/shared"] == [
        "Options None",
        "AllowOverride None",
    ]


def test_releases_that_apache_runs_itself() -> None:
    assert "WSGI" not in str(apache()), "elsewhere they have processes of their own"
    settings: dict[str, Any] = {
        "app_web_server": "apache",
        "ansible_facts": {"getent_passwd": {"blog": ["x", "999", "995"]}},
        "gunicorn_workers": 4,
        "gunicorn_max_requests": 500,
        "web_server_proxy_timeout": 5,
    }
    blocks = apache(**settings)
    doors = blocks["VirtualHost 127.3.231.1:80"], blocks["VirtualHost 127.3.231.2:80"]
    site = blocks["VirtualHost *:80"]
    for letter, door in zip("ab", doors):
        assert f"ErrorLog ${{APACHE_LOG_DIR}}/blog-{letter}.log" in door
        assert door[0] == site[0], "so that visitors get to its processes"
        described = " ".join(door)
        assert f"WSGIDaemonProcess blog-{letter} user=blog group=blog umask=0027" in described
        assert "processes=4 threads=1 " in described
        assert "request-timeout=30 shutdown-timeout=30 socket-timeout=5 maximum" in described
        assert "maximum-requests=500" in described
        assert "SetEnvIf X-Forwarded-Proto ^https$ HTTPS=1" in door
    assert blocks["Directory /usr/local/lib/greenroom"] == [
        "Require all granted",
        *["Require local"] * 2,
    ]
    # Asked at every request: whether Apache has the release on stage, and behind which door.
    order = [site.index(line) for line in site if "current/.greenroom/door" in line]
    assert order == sorted(order)
    assert site[order[0] : order[1] + 2] == [
        "RewriteCond /srv/blog/current/.greenroom/door -d",
        "RewriteRule ^ - [E=no-proxy:1,E=GREENROOM_DOOR:blog-b]",
        "RewriteCond /srv/blog/current/.greenroom/door/a -f",
        "RewriteRule ^ - [E=no-proxy:1,E=GREENROOM_DOOR:blog-a]",
    ]
    assert order[0] > site.index("RewriteCond /srv/blog/maintenance -f")


def test_who_came_to_the_balancer_by_https_did_so_for_the_app() -> None:
    """The header is enough for gunicorn; mod_wsgi goes by a variable."""
    passwd = {"ansible_facts": {"getent_passwd": {"blog": ["x", "999", "995"]}}}
    told = [
        line
        for line in apache(app_web_server="apache", **passwd, **BALANCED)["VirtualHost *:80"]
        if "req('X-Forwarded-Proto') == 'https'" in line
    ]
    assert [line.split('"')[-1] for line in told] == [" GREENROOM_HTTPS HTTPS=1"]
    assert "HTTPS=1" not in str(apache(**BALANCED)["VirtualHost *:80"])


def test_a_site_that_differs_on_apache() -> None:
    blocks = apache(
        app_domains=[".example.com", "www.example.org"],
        app_port=8080,
        app_static_url="/a.b/",
        app_media_path="",
        web_server_client_max_body_size="1g",
        web_server_proxy_timeout=5,
        web_server_extra="Redirect 410 /legacy/\nTraceEnable off",
    )
    site = blocks["VirtualHost *:8080"]
    assert site[:2] == [
        "ServerName example.com",
        "ServerAlias example.com *.example.com www.example.org",
    ]
    assert 'RewriteCond expr "%{HTTP:Content-Length} -gt 1073741824"' in site
    assert "Content-Length" not in "".join(
        apache(web_server_client_max_body_size=0)["VirtualHost *:80"]
    )
    assert any("timeout=5" in line for line in site)
    assert "media" not in "".join(site)
    assert r"RewriteRule ^/a\.b/ " in "\n".join(site)
    assert site[-2:] == ["Redirect 410 /legacy/", "TraceEnable off"]
    without = apache(web_server_serve_static=False)
    assert "static" not in "".join(without["VirtualHost *:80"])


def test_the_balancer_alone_is_believed_by_apache() -> None:
    site = apache(**BALANCED)["VirtualHost *:80"]
    assert "RemoteIPInternalProxy 192.0.2.9" in site
    assert "RequestHeader set X-Forwarded-Proto https env=GREENROOM_HTTPS" in site
    assert "RemoteIP" not in "".join(apache()["VirtualHost *:80"])


@pytest.mark.parametrize(
    ("listens", "own"), [("", True), ("/etc/apache2/ports.conf:Listen 8080", False)]
)
def test_apache_is_told_once_where_to_listen(listens: str, own: bool) -> None:
    found = {"stdout": listens}
    text = render("web_server/apache/greenroom.conf.j2", app_port=8080, web_server_listens=found)
    assert ("\nListen 8080\n" in text) is own
    assert "<VirtualHost *:8080>" in text
    assert "blog" not in text


def test_the_balancers_hosts() -> None:
    text = render("balancer/haproxy.cfg.j2", balancer_extra="bind :443 ssl", **BALANCED)
    assert "\n# greenroom: blog live\n" in text
    assert "\n    server web1 192.0.2.1:80\n    server web2 [2001:db8::2]:80\n" in text
    assert "\n    bind :443 ssl\n    default_backend blog\n" in text
    assert "uri / ver HTTP/1.1 hdr Host www.example.com" in text


def test_what_all_sites_share_names_no_app() -> None:
    text = render("web_server/nginx/greenroom.conf.j2", app_port=8080)
    assert "blog" not in text
    blocks = server(text)
    assert blocks["map $http_host $greenroom_asked"] == ["default     $host", '""          ""']
    assert "server" not in blocks, "it would have to know the ports of all"
    pattern = re.search(r'"~(\S+)"', text)
    assert pattern
    hashed = re.compile(pattern[1])
    assert hashed.search("/static/a.0123456789ab.css")
    assert not hashed.search("/static/a.css")
    assert not hashed.search("/static/a.0123456789ab/x.css")


def gunicorn(tmp_path: Path, manifest: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """What gunicorn reads from its configuration, in the tree of a release."""
    (tmp_path / ".greenroom").mkdir()
    (tmp_path / ".greenroom/release.json").write_text(json.dumps(manifest))
    file = tmp_path / "gunicorn.conf.py"
    file.write_text(render("gunicorn/gunicorn.conf.py.j2", **settings))
    before = os.getcwd()
    try:
        os.chdir(tmp_path)
        found = runpy.run_path(str(file))
    finally:
        os.chdir(before)
    return {k: v for k, v in found.items() if not k.startswith("__") and k not in ("json", "os")}


MANIFEST = {"number": 42, "directory": ".", "wsgi": "a.wsgi:b", "settings_module": "a.settings"}


def test_gunicorn_runs_what_the_release_says(tmp_path: Path) -> None:
    found = gunicorn(tmp_path, {**MANIFEST, "directory": "src"}, gunicorn_max_requests=1000)
    wanted = {
        "bind": "unix:/run/blog/42.sock",
        "chdir": str(tmp_path / "src"),
        "wsgi_app": "a.wsgi:b",
        "raw_env": ["DJANGO_SETTINGS_MODULE=a.settings"],
        "workers": 3,
        "threads": 1,
        "timeout": 30,
        "graceful_timeout": 30,
        "max_requests": 1000,
        "max_requests_jitter": 100,
    }
    assert wanted.items() <= found.items()


def test_gunicorn_with_the_defaults(tmp_path: Path) -> None:
    found = gunicorn(tmp_path, MANIFEST)
    assert (found["chdir"], found["max_requests"], found["max_requests_jitter"]) == (
        str(tmp_path),
        0,
        0,
    )


class Unit(configparser.RawConfigParser):
    """A systemd unit; an option that stands twice keeps its last value."""

    def __init__(self, text: str) -> None:
        super().__init__(strict=False, delimiters=["="], comment_prefixes=["#"])
        self.optionxform = str  # type: ignore[assignment, method-assign]
        self.read_string(text)


def test_the_service_of_a_release() -> None:
    unit = Unit(render("gunicorn/app@.service.j2"))
    wanted = {
        "Type": "notify",
        "User": "blog",
        "Group": "blog",
        "WorkingDirectory": "/srv/blog/releases/%i",
        "EnvironmentFile": "/etc/blog/%i.env",  # the last one, which wins
        "ExecStart": "/srv/blog/releases/%i/.venv/bin/gunicorn --config /etc/blog/gunicorn.conf.py",
        "ExecStop": "/bin/sleep 1",
        "TimeoutStopSec": "36",
        "MemoryMax": "infinity",
        "LimitNOFILE": "4096",
        "ProtectSystem": "strict",
        "ReadWritePaths": "/srv/blog/shared /run/blog",
        "NoNewPrivileges": "true",
    }
    assert wanted.items() <= dict(unit["Service"]).items()
    assert unit["Install"]["WantedBy"] == "multi-user.target"


def test_the_service_knows_the_database_first() -> None:
    files = re.findall(r"^EnvironmentFile=(.+)$", render("gunicorn/app@.service.j2"), re.MULTILINE)
    assert files == ["-/etc/blog/database.env", "/etc/blog/%i.env"]


def test_a_service_that_differs() -> None:
    unit = Unit(
        render(
            "gunicorn/app@.service.j2",
            gunicorn_drain=5,
            gunicorn_graceful_timeout=60,
            gunicorn_memory_max="512M",
            gunicorn_writable_paths=["/var/spool/a", "/srv/b"],
        )
    )
    wanted = {
        "ExecStop": "/bin/sleep 5",
        "TimeoutStopSec": "70",
        "MemoryMax": "512M",
        "ReadWritePaths": "/srv/blog/shared /run/blog /var/spool/a /srv/b",
    }
    assert wanted.items() <= dict(unit["Service"]).items()


def test_a_program_of_supervisor() -> None:
    drain, long = {"gunicorn_drain": 5}, {"gunicorn_graceful_timeout": 60}
    text = render("gunicorn/supervisor.conf.j2", gunicorn_memory_max="40%", **drain, **long)
    # As supervisor reads it: each % that is none of its own is doubled.
    program = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    program.read_string(f"[program]\n{text}")
    found = dict(program["program"])
    assert found["command"] % {"program_name": "blog@42"} == (
        "/usr/local/lib/greenroom/launch blog@42 --drain 5 --memory-max 40% --open-files 4096"
    )
    wanted = {
        "autostart": "true",
        "autorestart": "unexpected",
        "stopsignal": "TERM",
        "stopwaitsecs": "70",
        "killasgroup": "true",
        "umask": "027",
        "stdout_logfile": "/var/log/supervisor/blog/%(program_name)s.log",
        "redirect_stderr": "true",
    }
    assert wanted.items() <= found.items()


def test_no_secret_is_in_a_template() -> None:
    secrets = {"app_env": {"KEY": "s3cret"}, "checkout_token": "s3cret"}
    for path in FILES:
        assert "s3cret" not in render(path, **secrets), path


def test_the_green_room() -> None:
    lines = [
        line
        for line in render("gunicorn/tmpfiles.conf.j2").splitlines()
        if line and not line.startswith("#")
    ]
    assert lines == [
        "d /run/blog 3770 root blog-web -",
        "L+ /run/blog/current.sock - - - - /srv/blog/current/.greenroom/socket",
    ]


@pytest.mark.parametrize(
    ("app_env", "key"), [({"SECRET_KEY": 'it\'s\n"secret"'}, 'it\'s\n"secret"'), ({}, None)]
)
def test_the_local_settings(tmp_path: Path, app_env: dict[str, str], key: str | None) -> None:
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
    environment.filters.update({"comment": "# {}".format, "greenroom.django.python": python})
    text = (ROOT / "roles/app/templates/local_settings.py.j2").read_text()
    file = tmp_path / "local_settings.py"
    file.write_text(environment.from_string(text).render({**SETTINGS, "app_env": app_env}))
    found = {name: value for name, value in runpy.run_path(str(file)).items() if name.isupper()}
    assert found == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["www.example.com", "example.com"],
        **({"SECRET_KEY": key} if key else {}),
    }


def test_pinned_host_keys() -> None:
    text = render(
        "checkout/ssh/known_hosts.j2", checkout_known_hosts=["git.example.com ssh-rsa AB"]
    )
    assert "git.example.com ssh-rsa AB" in text.splitlines()
    hosts = {line.split()[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert {"github.com", "gitlab.com", "bitbucket.org"} <= hosts
    assert "StrictHostKeyChecking yes" in render("checkout/ssh/config.j2")


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, ""),
        ({"checkout_token": "abc"}, "https://oauth2:abc@example.com:8443\n"),
        (
            {"checkout_token": "a/b@c:d e", "checkout_user": "ada/x"},
            "https://ada%2Fx:a%2Fb%40c%3Ad%20e@example.com:8443\n",
        ),
    ],
)
def test_the_access_token(settings: dict[str, str], line: str) -> None:
    repository = "https://example.com:8443/ada/blog.git"
    found = render("checkout/git-credentials.j2", app_repository=repository, **settings)
    assert found.strip() == line.strip()


def test_the_access_token_for_mercurial() -> None:
    """It is a line as it is, whatever is in it, and the other source control has none."""
    settings = {
        "app_repository": "https://example.com:8443/ada/blog",
        "checkout_token": "a/b@c:d #e%20",
        "app_source_control": "hg",
    }
    found = render("checkout/hg-credentials.j2", **settings).split("\n")
    assert found[3:-1] == [
        "[auth]",
        "greenroom.prefix = https://example.com:8443/ada/blog",
        "greenroom.schemes = https",
        "greenroom.username = oauth2",
        "greenroom.password = a/b@c:d #e%20",
    ]
    assert "a/b" not in render("checkout/git-credentials.j2", **settings)
    assert "a/b" not in render(
        "checkout/hg-credentials.j2", **{**settings, "app_source_control": "git"}
    )


@pytest.mark.parametrize(
    ("repository", "advice"),
    [
        ("/srv/git/blog.git", "It must be a repository on the host that the user blog-build can"),
        ("file:///srv/git/blog.git", "It must be a repository on the host that the user blog-bu"),
        ("https://example.com/blog.git", "Over https, a repository that is not public wants an"),
        ("git@example.com:blog.git", "Over ssh it must let this deploy key in, to read:\nssh-x AB"),
        ("ssh://git@example.com/blog.git", "Over ssh it must let this deploy key in, to read:\nss"),
    ],
)
@pytest.mark.parametrize("found", ["", "git"])
def test_a_repository_that_cannot_be_reached(repository: str, advice: str, found: str) -> None:
    said = render(
        "checkout/unreachable.j2",
        app_repository=repository,
        checkout_fetched={"msg": " Permission denied\n"},
        checkout_key={"content": "c3NoLXggQUIK"},
        checkout_found={"source_control": found},
    )
    first, rest = said.split("\n\n", 1)
    assert first == f"app_repository is {repository}, which cannot be fetched:\nPermission denied"
    assert rest.startswith(advice)


def test_a_repository_of_another_kind() -> None:
    said = render(
        "checkout/unreachable.j2",
        app_repository="/srv/hg/blog",
        checkout_found={"source_control": "hg"},
    )
    assert said == (
        "app_source_control is git, and app_repository, /srv/hg/blog, is a repository of hg.\n"
        "Set app_source_control to hg, run site.yml, and deploy again; or name another "
        "repository.\n"
    )


def test_the_path_in_an_address_for_mercurial() -> None:
    said = render(
        "checkout/unreachable.j2",
        app_repository="ssh://hg@example.com/blog",
        app_source_control="hg",
        checkout_fetched={"msg": "abort"},
        checkout_key={"content": "c3NoLXggQUIK"},
        checkout_found={"source_control": ""},
    )
    assert said.endswith("; a whole path begins with two slashes.\n")


# -- PostgreSQL -----------------------------------------------------------------------------------

OTHER_HOSTS = {
    "web1": {"ansible_host": "203.0.113.1", "database_address": "192.0.2.1"},
    "web2": {"ansible_host": "2001:db8::2", "database_address": ""},
    "192.0.2.3": {},
    "db1": {"ansible_host": "db1.example.com", "database_address": "192.0.2.9"},
}
ELSEWHERE = {
    "hostvars": OTHER_HOSTS,
    "groups": {"live": ["web1", "web2", "192.0.2.3"], "database": ["db1"]},
}


def rules(**settings: Any) -> list[str]:
    """The rules for the app, each without what all of them have."""
    _, *closed, lines = render("database/pg_hba.conf.j2", **settings).split("\n", 3)
    assert closed == [
        'local postgres,template1 "blog" reject',
        'host postgres,template1 "blog" all reject',
    ]
    found = [
        re.fullmatch(r'(\w+) "blog" "blog" (\S+) scram-sha-256', line)
        for line in lines.splitlines()
    ]
    return [f"{match[1]} {match[2]}" if match else "" for match in found]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, ["host 127.0.0.1/32", "host ::1/128"]),
        (
            ELSEWHERE,
            ["hostssl 192.0.2.1/32", "hostssl 2001:db8::2/128", "hostssl 192.0.2.3/32"],
        ),
        (
            {**ELSEWHERE, "groups": {"live": ["web1", "web2"], "database": ["web2"]}},
            ["hostssl 192.0.2.1/32", "host 127.0.0.1/32", "host ::1/128"],
        ),
    ],
)
def test_who_gets_into_the_database(settings: dict[str, Any], found: list[str]) -> None:
    assert rules(**settings) == found


def variable(name: str, **settings: Any) -> Any:
    """What one of the database role's variables is."""
    loader = DataLoader()
    variables: dict[str, Any] = {}
    for role in ROLES:
        variables |= variables_of_role(role)
    templar = Templar(loader=loader, variables=trusted({**variables, **SETTINGS, **settings}))
    return templar.template(trust_as_template("{{ " + name + " }}"))


@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        ("localhost", {}, ["localhost"]),
        ("", {}, ["localhost"]),
        ("*", ELSEWHERE, ["*"]),
        ("localhost", ELSEWHERE, ["localhost", "192.0.2.9"]),
        ("192.0.2.9,localhost", ELSEWHERE, ["192.0.2.9", "localhost"]),
        ("localhost, 192.0.2.9", {}, ["localhost", "192.0.2.9"]),  # for another app
        ("localhost", {"groups": {"live": ["web1"], "database": ["web1"]}}, ["localhost"]),
    ],
)
def test_where_postgresql_listens(before: str, settings: Any, after: list[str]) -> None:
    found = {"query_result": [{"listens": before}]}
    assert variable("database_listens", database_found=found, **settings) == after


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("greenroom: staging", "which is not that of\nlive, but is marked greenroom: staging. Two"),
        ("", "which is not that of\nlive. Two environments with one database"),
    ],
)
def test_a_database_that_is_somebody_elses(mark: str, said: str) -> None:
    found = {"query_result": [{"mark": mark}]}
    text = render("database/taken.j2", database_found=found)
    assert text.startswith("app_name is blog, and PostgreSQL on web1 has a role or a database of")
    assert said in text
    assert text.rstrip().endswith('psql -c "COMMENT ON ROLE \\"blog\\" IS \'greenroom: live\'"')


@pytest.mark.parametrize(
    ("password", "settings", "url"),
    [
        ("c2VjcmV0", {}, "postgres://blog:secret@localhost:5432/blog"),
        ("YS9iQGM6ZCAlIz8=", {}, "postgres://blog:a%2Fb%40c%3Ad%20%25%23%3F@localhost:5432/blog"),
        ("c2VjcmV0", ELSEWHERE, "postgres://blog:secret@192.0.2.9:5432/blog"),
        (
            "c2VjcmV0",
            {**ELSEWHERE, "groups": {"live": ["web1", "web2"], "database": ["web2"]}},
            "postgres://blog:secret@[2001:db8::2]:5432/blog",
        ),
    ],
)
def test_the_address_that_the_app_gets(password: str, settings: Any, url: str) -> None:
    assert variable("database_url", database_secret={"content": password}, **settings) == url


@pytest.mark.parametrize(
    ("key", "who"),
    [
        ("ssh-ed25519 AAAA ada@laptop", "ada@laptop"),
        ("ssh-ed25519 AAAA", "somebody"),
        ("ssh-ed25519 AAAA Ada's laptop", "Ada-s-laptop"),
        ('ssh-ed25519 AAAA "; id #', "id"),
        ("ssh-ed25519 AAAA $(id)\n", "id"),
        ("ssh-ed25519 AAAA " + "a" * 300, "a" * 100),
        ("ssh-ed25519 AAAA 🎭", "somebody"),
    ],
)
def test_a_key_is_for_pushes_alone_and_says_whose_it_is(key: str, who: str) -> None:
    line = render("push/authorized_keys.j2", push_keys=[key]).splitlines()[-1]
    command = f"/usr/local/lib/greenroom/push open blog git main {who} 1024 3600"
    assert line == f'restrict,command="{command}" {key.strip()}'


def test_pushes_may_do_two_things_as_root() -> None:
    ours = "/usr/local/lib/greenroom/push"
    assert render("push/sudoers.j2").splitlines()[-1] == (
        f"blog-push ALL=(root) NOPASSWD: {ours} serving blog, {ours} deploy blog"
    )


def test_how_to_push_is_said() -> None:
    assert render("push/how_to_push.j2", ansible_host="192.0.2.1", ansible_port=2222) == (
        "Once, where your code is: "
        "git remote add live ssh://blog-push@192.0.2.1:2222/blog.git\n"
        "To deploy: git push live main\n"
    )
    assert render("push/how_to_push.j2", app_source_control="hg", push_branch="default") == (
        "To deploy: hg push ssh://blog-push@web1/blog\n"
    )


NUMBERS = {
    name: option["default"]
    for role in ROLES
    for name, option in options_of_role(role).items()
    if option["type"] == "int"
}


@pytest.mark.parametrize("path", FILES)
def test_a_number_that_comes_as_text_is_the_same(path: str) -> None:
    """From the command line (-e gunicorn_drain=1) all come so, and a text times two is no sum."""
    as_text = {name: str(number) for name, number in NUMBERS.items()}
    assert render(path, **as_text) == render(path)
