from __future__ import annotations

import glob
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import (
    _host_services,
    _init_system,
    _ports,
    _web_server,
)
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._ports import who_listens
from ansible_collections.greenroom.django.plugins.module_utils._web_server import (
    base,
    port,
    serving,
)
from ansible_collections.greenroom.django.plugins.module_utils._web_server.apache import ApacheProxy
from ansible_collections.greenroom.django.plugins.module_utils._web_server.base import WebServer
from ansible_collections.greenroom.django.plugins.module_utils._web_server.nginx import Nginx
from ansible_collections.greenroom.django.plugins.module_utils._web_server.port import check_port
from ansible_collections.greenroom.django.plugins.module_utils._web_server.serving import serve

SITES = {
    "nginx": "server {\n    listen 80;\n    # $greenroom_cache\n}\n",
    "apache2": "<VirtualHost *:80>\n    ErrorDocument 503 /greenroom-503\n</VirtualHost>\n",
}
SHARED = {
    "nginx": "server {\n    listen 80 default_server;\n}\n",
    "apache2": "Listen 80\n<VirtualHost *:80>\n</VirtualHost>\n",
}
OTHERS = {
    "nginx": "server {\n    listen 80;\n    server_name wiki;\n}\n",
    "apache2": "<VirtualHost *:80>\n    ServerName wiki\n</VirtualHost>\n",
}


class Host:
    """A host with both web servers, in a folder; what was asked of systemd, and who listens."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.up: set[str] = set()
        self.foreign: set[str] = set()
        self.asked: list[str] = []
        self.broken = ""
        self.elsewhere: dict[str, set[int]] = {}
        self.nginx, self.apache = (self.moved(server) for server in (Nginx(), ApacheProxy()))
        for server in (self.nginx, self.apache):
            for path in (server.site, server.available_site, server.shared):
                os.makedirs(os.path.dirname(path), exist_ok=True)
        (root / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True)
        (root / "etc/apache2/ports.conf").write_text("Listen 80\n")

    def moved(self, server: WebServer) -> WebServer:
        server.site_files = tuple(f"{self.root}{folder}" for folder in server.site_files)
        server.site = f"{self.root}{server.site}"
        server.available_site = f"{self.root}{server.available_site}"
        server.shared = f"{self.root}{server.shared}"
        server.available_shared = f"{self.root}{server.available_shared}"
        server.ports_file = server.ports_file and f"{self.root}{server.ports_file}"
        return server

    def add(self, server: WebServer, name: str, text: str) -> None:
        path = server.available_site.format(name)
        Path(path).write_text(text)
        os.symlink(path, server.site.format(name))

    def prepare(self, server: WebServer, app: str = "blog") -> None:
        """As the tasks of the role do."""
        self.add(server, app, SITES[server.service])
        Path(server.available_shared).write_text(SHARED[server.service])
        if server.available_shared != server.shared and not os.path.lexists(server.shared):
            os.symlink(server.available_shared, server.shared)

    def start(self, server: WebServer) -> None:
        self.up.add(server.service)
        self.wants(server.service).touch()

    def wants(self, service: str) -> Path:
        return self.root / f"etc/systemd/system/multi-user.target.wants/{service}.service"

    def listeners(self, port: int) -> set[str]:
        """Who listens, by what the files say that are there now."""
        found = set(self.foreign)
        for server in (self.nginx, self.apache):
            paths = [path for folder in server.site_files for path in glob.glob(folder)]
            paths += [server.ports_file] if server.ports_file else []
            if any(port in server.ports(Path(path).read_text()) for path in paths):
                found.add(server.service)
        return found & (self.foreign | self.up)

    def ports(self, program: str) -> set[int]:
        """Where a program listens beside what the files say."""
        return self.elsewhere.get(program, set())

    def systemctl(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        words = [word for word in argv[1:] if not word.startswith("-")]
        code, service = 0, words[-1] if words else ""
        if words == ["is-active", service]:
            code = 0 if service in self.up else 3
        elif argv[0] == "systemctl":
            self.asked.append(" ".join(words))
            if words[0] in ("stop", "kill"):
                self.up.discard(service)
            elif words[0] in ("start", "reload-or-restart") and service == self.broken:
                code = 1
            elif words[0] in ("start", "restart", "reload-or-restart"):
                self.up.add(service)
            elif words[0] == "enable":
                self.wants(service).touch()
            elif words[0] == "disable":
                self.wants(service).unlink(missing_ok=True)
        return subprocess.CompletedProcess(argv, code, "AH00526: Syntax error\n", "")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path)
    servers = {"nginx": host.nginx, "apache_proxy": host.apache}
    for module in (_web_server, port, serving):
        monkeypatch.setattr(module, "WEB_SERVERS", servers)
    for module in (_ports, port, serving):
        monkeypatch.setattr(module, "who_listens", host.listeners)
    monkeypatch.setattr(_init_system, "SYSTEMD", str(tmp_path))
    monkeypatch.setattr(_host_services, "_AT_BOOT", str(host.wants("x").parent))
    monkeypatch.setattr(_host_services, "run", host.systemctl)
    monkeypatch.setattr(base, "ports_of", host.ports)
    monkeypatch.setattr(_ports, "PORT_TIMEOUT", 0.1)
    return host


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("server {\n  listen 80;\n  listen [::]:80;\n}", {80}),
        ("server {\n  listen 127.0.0.1:8080 default_server;\n listen 443 ssl;\n}", {8080, 443}),
        ("server {\n  listen unix:/run/x.sock;\n  listen example.com;\n}", {80}),
        ("server {\n  # listen 99;\n}", {80}),
    ],
)
def test_where_nginx_listens(text: str, ports: set[int]) -> None:
    assert Nginx().ports(text) == ports


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("Listen 80\n<IfModule ssl_module>\n\tListen 443\n</IfModule>\n", {80, 443}),
        ("listen [::]:8080 https\nListen 192.0.2.1:81\n# Listen 99\n", {8080, 81}),
        ("<VirtualHost *:80>\n</VirtualHost>\n", set()),
    ],
)
def test_where_apache_listens(text: str, ports: set[int]) -> None:
    assert ApacheProxy().ports(text) == ports


def test_who_listens_on_a_port(tmp_path: Path) -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when ... inode\n"
    line = "   0: {}:0050 00000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 {} 1\n"
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(
        head
        + line.format("00000000", "0A", 11)
        + line.format("0100007F", "01", 12)  # a connection
        + line.format("0100007F", "0A", 13).replace(":0050", ":1F90")
    )
    (tmp_path / "net/tcp6").write_text(head + line.format("0" * 32, "0A", 14))
    (tmp_path / "42/fd").mkdir(parents=True)
    (tmp_path / "42/comm").write_text("nginx\n")
    os.symlink("socket:[11]", tmp_path / "42/fd/6")
    os.symlink("socket:[13]", tmp_path / "42/fd/7")
    assert who_listens(80, str(tmp_path)) == {"nginx", "?"}
    assert who_listens(8080, str(tmp_path)) == {"nginx"}
    assert who_listens(443, str(tmp_path)) == set()


def test_a_port_that_is_free_or_its_own(host: Host, app: App) -> None:
    check_port(app, "apache_proxy", 80)
    host.prepare(host.apache, "wiki")
    host.start(host.apache)
    check_port(app, "apache_proxy", 80)


def test_a_port_that_the_app_itself_has_on_another_web_server(host: Host, app: App) -> None:
    host.prepare(host.nginx)
    host.start(host.nginx)
    check_port(app, "apache_proxy", 80)


def test_a_port_of_another_program(host: Host, app: App) -> None:
    host.foreign = {"haproxy"}
    with pytest.raises(GreenroomError) as refused:
        check_port(app, "nginx", 80)
    assert str(refused.value) == (
        "Port 80 (app_port) of this host is that of another program (haproxy), and nginx could "
        "not listen on it. Choose another app_port, or stop that program."
    )


Situation = Callable[[Host], None]


def another_app(host: Host) -> None:
    host.prepare(host.nginx, "wiki")


def both(host: Host) -> None:
    host.prepare(host.nginx)
    host.prepare(host.nginx, "wiki")


def a_site_of_the_user(host: Host) -> None:
    host.add(host.nginx, "wiki", OTHERS["nginx"])


@pytest.mark.parametrize("situation", [another_app, both, a_site_of_the_user])
@pytest.mark.parametrize("is_up", [True, False])  # it would come up at the next boot
def test_a_port_that_others_have_on_another_web_server(
    host: Host, app: App, situation: Situation, is_up: bool
) -> None:
    situation(host)
    host.start(host.nginx)
    if not is_up:
        host.up.clear()
    with pytest.raises(GreenroomError) as refused:
        check_port(app, "apache_proxy", 80)
    assert str(refused.value) == (
        "app_web_server is apache_proxy, and port 80 (app_port) of this host is that of nginx with "
        f"{host.nginx.site.format('wiki')}. One of them can have it: set app_web_server to nginx, "
        "or choose another app_port, or take those sites away (where nginx has none left: "
        "systemctl disable --now nginx)."
    )


def test_a_port_of_an_apache_with_no_site(host: Host, app: App) -> None:
    host.start(host.apache)
    with pytest.raises(GreenroomError, match=r"is that of apache2\. One of"):
        check_port(app, "nginx", 80)


def test_sites_on_other_ports_are_no_hindrance(host: Host, app: App) -> None:
    host.prepare(host.nginx)
    host.add(host.nginx, "wiki", "server {\n    listen 8443 ssl;\n}\n")
    host.start(host.nginx)
    check_port(app, "apache_proxy", 80)
    serve(app, "apache_proxy", 80)
    assert host.asked == ["reload nginx", "start apache2", "enable apache2"]
    assert not os.path.exists(host.nginx.shared)
    assert host.nginx.is_enabled()


def test_it_serves_already(host: Host, app: App) -> None:
    host.prepare(host.nginx)
    host.start(host.nginx)
    assert serve(app, "nginx", 80) == (False, 0.0)
    assert host.asked == []


def test_a_bare_host(host: Host, app: App) -> None:
    host.prepare(host.nginx)
    assert serve(app, "nginx", 80, check_mode=True) == (True, 0.0)
    assert host.asked == []
    assert serve(app, "nginx", 80) == (True, 0.0)
    assert host.asked == ["start nginx", "enable nginx"]


@pytest.mark.parametrize("name", ["nginx", "apache_proxy"])
def test_it_moves_and_leaves_nothing_behind(host: Host, app: App, name: str) -> None:
    chosen, before = host.nginx, host.apache
    if name == "apache_proxy":
        chosen, before = before, chosen
    host.prepare(before)
    host.start(before)
    host.prepare(chosen)
    assert serve(app, name, 80, check_mode=True) == (True, 0.0)
    assert before.has(app)
    changed, gap = serve(app, name, 80)
    assert changed
    assert gap > 0
    old, new = before.service, chosen.service
    assert host.asked == [
        f"kill {old}",
        f"start {new}",
        f"enable {new}",
        f"stop {old}",
        f"disable {old}",
        f"reset-failed {old}",
    ]
    left = [before.site, before.available_site, before.shared, before.available_shared]
    assert [path for path in left if os.path.lexists(path.format("blog"))] == []
    assert serve(app, name, 80) == (False, 0.0)


def test_one_that_does_not_start_gives_the_port_back(host: Host, app: App) -> None:
    host.prepare(host.nginx)
    host.start(host.nginx)
    host.prepare(host.apache)
    host.broken = "apache2"
    with pytest.raises(GreenroomError, match="apache2 did not start:\nAH00526: Syntax error"):
        serve(app, "apache_proxy", 80)
    assert host.listeners(80) == {"nginx"}
    assert host.nginx.has(app)
    assert host.nginx.is_enabled()
    assert os.path.exists(host.nginx.shared)
    assert not os.path.lexists(host.apache.site.format("blog"))


def test_one_with_sites_of_others_goes_on_without_the_app(
    host: Host, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.prepare(host.nginx)
    host.start(host.nginx)
    (host.root / "etc/apache2/ports.conf").write_text("Listen 8443\n")
    host.add(host.apache, "wiki", OTHERS["apache2"].replace("80", "8443"))
    host.prepare(host.apache)
    host.start(host.apache)
    monkeypatch.setattr(_ports, "who_listens", lambda _: {"nginx"})
    with pytest.raises(GreenroomError, match="nginx has port 80"):
        serve(app, "apache_proxy", 80)
    assert host.asked == ["kill nginx", "reload-or-restart apache2", "restart nginx"]
    assert not os.path.lexists(host.apache.shared)


def test_what_others_need_stays(host: Host, app: App) -> None:
    """A site of the user's own on Apache, and one of another app, on other ports."""
    (host.root / "etc/apache2/ports.conf").write_text("Listen 8443\n")
    host.prepare(host.apache)
    host.add(host.apache, "wiki", OTHERS["apache2"].replace("80", "8443"))
    host.start(host.apache)
    host.prepare(host.nginx)
    serve(app, "nginx", 80)
    assert "reload apache2" in host.asked
    assert "disable apache2" not in host.asked
    assert os.path.exists(host.apache.site.format("wiki"))
    assert not os.path.lexists(host.apache.shared)


def test_where_systemd_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under upstart: a web server is a service of the old kind there."""
    asked: list[str] = []

    def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
        asked.append(" ".join(argv))
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(_host_services, "run", run)
    monkeypatch.setattr(_init_system, "SYSTEMD", str(tmp_path / "systemd"))
    monkeypatch.setattr(_host_services, "_AT_BOOT_OF_SCRIPTS", str(tmp_path))
    for verb in ("is-active", "start", "stop", "reload", "reload-or-restart", "enable", "disable"):
        _host_services.control("nginx", verb, "--no-block")
    assert asked == [
        "service nginx status",
        "service nginx start",
        "service nginx stop",
        "service nginx reload",
        "service nginx restart",
        "update-rc.d nginx enable",
        "update-rc.d nginx disable",
    ]
    assert not Nginx().is_enabled()
    (tmp_path / "S02nginx").touch()
    assert Nginx().is_enabled()
    assert not ApacheProxy().is_enabled()


def test_a_port_that_no_file_of_its_own_tells_of(host: Host, app: App) -> None:
    """As of a ``stream`` in nginx.conf: it goes on."""
    host.prepare(host.nginx)
    host.start(host.nginx)
    host.elsewhere = {"nginx": {80, 5432}}
    serve(app, "apache_proxy", 80)
    assert host.asked == ["reload nginx", "start apache2", "enable apache2"]
    assert host.nginx.is_enabled()


def test_a_site_of_somebody_elses_with_the_apps_name(host: Host, app: App) -> None:
    host.add(host.nginx, "blog", OTHERS["nginx"])
    assert not host.nginx.has(app)
    for name in ("nginx", "apache_proxy"):
        with pytest.raises(GreenroomError, match=r"blog\.conf is where .* not Greenroom's\. Move"):
            check_port(app, name, 80)


def test_on_apache_all_apps_share_a_port(host: Host, app: App) -> None:
    host.prepare(host.apache, "shop")
    check_port(app, "apache_proxy", 80)
    with pytest.raises(GreenroomError, match=r"^app_port is 8080, and other apps .* be 80\.$"):
        check_port(app, "apache_proxy", 8080)
    check_port(app, "nginx", 8080)


def test_the_ports_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    line = "  0: 00000000:{:04X} 00000000:0000 {} 0:0 0:0 0 0 0 {}\n"
    rows = line.format(80, "0A", 11) + line.format(5432, "0A", 12) + line.format(81, "01", 13)
    (tmp_path / "net/tcp").write_text("  sl\n" + rows)
    for pid, name, socket in ((7, "nginx", 11), (8, "nginx", 12), (9, "sshd", 13)):
        (tmp_path / f"{pid}/fd").mkdir(parents=True)
        (tmp_path / f"{pid}/comm").write_text(f"{name}\n")
        os.symlink(f"socket:[{socket}]", tmp_path / f"{pid}/fd/3")
    assert _ports.ports_of("nginx", str(tmp_path)) == {80, 5432}
    assert _ports.ports_of("sshd", str(tmp_path)) == set()
