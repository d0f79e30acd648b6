# PRIVATE to the collection: the register of web servers, and which one has the port. Adding one is
# a line in it, and a file in roles/web_server/tasks/web_server.
from __future__ import annotations

import glob
import os
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.greenroom.django.plugins.module_utils._app import App, replace_link
from ansible_collections.greenroom.django.plugins.module_utils._command import (
    run,
    tail,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import remove
from ansible_collections.greenroom.django.plugins.module_utils._register import look_up
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import ModWsgi

PATIENCE = 10  # seconds until a port is free, or listened on
FINISHING = 60  # seconds that a web server may take for the requests that it has
SYSTEMD = "/run/systemd/system"  # where it is the first process
AT_BOOT = "/etc/systemd/system/multi-user.target.wants"
AT_BOOT_ELSEWHERE = "/etc/rc2.d"
LISTENING = "0A"  # as the kernel writes it in /proc/net/tcp


@dataclass(frozen=True)
class WebServer:
    """A web server as Debian packages it: where its sites are, and where those have it listen."""

    service: str  # of systemd; its processes have the same name
    finish: str  # the signal at which it closes its ports, and ends when it has answered all
    folders: tuple[str, ...]  # patterns of the files that it reads sites from
    site: str  # the app's, enabled
    available: str  # the file that this is a link to
    shared: str  # what all sites of Greenroom's share, enabled
    kept: str  # the file that this is a link to, or itself
    mark: str  # what is in every site of Greenroom's
    is_site: re.Pattern[str]  # what is in every file with a site
    ports: Callable[[str], set[int]]  # where it listens, by a text of its configuration
    listens: str = ""  # a file of its own for that

    def has(self, app: App) -> bool:
        """Whether it serves the app, or something of it is left of that."""
        return self.mark in text_of(self.available.format(app.name))

    def foreign(self, app: App) -> str:
        """The file of somebody else's that stands where the app's site is to be; empty: none."""
        paths = (self.available.format(app.name), self.site.format(app.name))
        found = [path for path in paths if os.path.lexists(path) and self.mark not in text_of(path)]
        return found[0] if found else ""

    def is_active(self) -> bool:
        """Whether it is up."""
        return tell(self, "is-active").returncode == 0

    def is_enabled(self) -> bool:
        """Whether it comes up at boot."""
        if os.path.isdir(SYSTEMD):
            return os.path.lexists(f"{AT_BOOT}/{self.service}.service")
        return bool(glob.glob(f"{AT_BOOT_ELSEWHERE}/S??{self.service}"))

    def others(self, app: App) -> dict[str, str]:
        """The sites that are not the app's: the path of each, and what is in it."""
        own = (self.site.format(app.name), self.shared)
        paths = sorted(path for pattern in self.folders for path in glob.glob(pattern))
        texts = {path: text_of(path) for path in paths if path not in own}
        return {path: text for path, text in texts.items() if self.is_site.search(text)}

    def is_needed(self, app: App, port: int) -> bool:
        """Whether it has anything to do beside the app, also in files that are not looked at.

        Where Apache listens says nothing: it has a file for that, whatever its sites are.
        """
        elsewhere = set() if self.listens else ports_of(self.service) - {port}
        return bool(self.others(app) or elsewhere)

    def others_on(self, app: App, port: int) -> list[str]:
        """The other sites that would keep it listening on ``port``."""
        others = self.others(app)
        if self.listens and port in self.ports(text_of(self.listens)):
            return list(others)
        return [path for path, text in others.items() if port in self.ports(text)]


def text_of(path: str) -> str:
    """What is in a file; nothing where there is none."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""


def ports_of_nginx(text: str) -> set[int]:
    """Where a configuration of nginx has it listen: on port 80, if nothing is said."""
    addresses = re.findall(r"^\s*listen\s+([^;\s]+)", text, re.MULTILINE)
    found = [re.fullmatch(r"(?:.*:)?(\d+)", address) for address in addresses]
    return {int(match[1]) if match else 80 for match in found} or {80}


def ports_of_apache(text: str) -> set[int]:
    """Where a configuration of Apache has it listen."""
    addresses = re.findall(r"^\s*Listen\s+\"?([^\s\"]+)", text, re.MULTILINE | re.IGNORECASE)
    return {int(address.rpartition(":")[2]) for address in addresses}


NGINX = WebServer(
    service="nginx",
    finish="QUIT",
    folders=("/etc/nginx/sites-enabled/*", "/etc/nginx/conf.d/*.conf"),
    site="/etc/nginx/sites-enabled/{}.conf",
    available="/etc/nginx/sites-available/{}.conf",
    shared="/etc/nginx/conf.d/greenroom.conf",
    kept="/etc/nginx/conf.d/greenroom.conf",
    mark="$greenroom_",
    is_site=re.compile(r"^\s*server\s*\{", re.MULTILINE),
    ports=ports_of_nginx,
)
APACHE = WebServer(
    service="apache2",
    finish="WINCH",
    folders=("/etc/apache2/sites-enabled/*.conf", "/etc/apache2/conf-enabled/*.conf"),
    site="/etc/apache2/sites-enabled/zz-{}.conf",
    available="/etc/apache2/sites-available/zz-{}.conf",
    # Apache takes them in the order of their names, and the first has what belongs to none: not us.
    shared="/etc/apache2/sites-enabled/zz-0-greenroom.conf",
    kept="/etc/apache2/sites-available/zz-0-greenroom.conf",
    mark="/greenroom-503",
    is_site=re.compile(r"^\s*(<VirtualHost|Listen)\s", re.MULTILINE | re.IGNORECASE),
    ports=ports_of_apache,
    listens="/etc/apache2/ports.conf",
)

WEB_SERVERS: dict[str, WebServer] = {"nginx": NGINX, "apache_proxy": APACHE, "apache": APACHE}


def rivals_of(chosen: WebServer) -> list[WebServer]:
    """The web servers that are not the chosen one."""
    others = [server for server in WEB_SERVERS.values() if server is not chosen]
    return list({server.service: server for server in others}.values())


def who_listens(port: int, proc: str = "/proc") -> set[str]:
    """The names of the programs that listen on a TCP port; ``?`` for one that cannot be seen."""
    return {_who_has(socket, proc) for socket, on in _listening(proc).items() if on == port}


def ports_of(program: str, proc: str = "/proc") -> set[int]:
    """The TCP ports on which programs of that name listen."""
    return {on for socket, on in _listening(proc).items() if _who_has(socket, proc) == program}


def _listening(proc: str) -> dict[str, int]:
    """The sockets that listen, and on which TCP port each does."""
    sockets = {}
    for name in ("tcp", "tcp6"):
        with suppress(OSError), open(f"{proc}/net/{name}", encoding="ascii") as file:
            for line in list(file)[1:]:
                words = line.split()
                if words[3] == LISTENING:
                    sockets[f"socket:[{words[9]}]"] = int(words[1].rpartition(":")[2], 16)
    return sockets


def _who_has(socket: str, proc: str) -> str:
    """The name of a program that has a socket open."""
    for process in filter(str.isdigit, os.listdir(proc)):
        with suppress(OSError):  # it may be over
            for descriptor in os.scandir(f"{proc}/{process}/fd"):
                if os.readlink(descriptor.path) == socket:
                    with open(f"{proc}/{process}/comm", encoding="utf-8") as file:
                        return file.read().strip()
    return "?"


def check_port(app: App, name: str, port: int) -> None:
    """Refuse a port that the web server called ``name`` could not have.

    The app's own site on another web server is no reason: it moves. Raises GreenroomError.
    """
    chosen = look_up(WEB_SERVERS, "web_server", name)
    for server in WEB_SERVERS.values():
        if path := server.foreign(app):
            raise GreenroomError(
                f"{path} is where the site of {app.name} is to be, and is not Greenroom's. Move it "
                "away, or choose another app_name."
            )
    check_ports_of_others(app, chosen, port)
    listening = who_listens(port) - {chosen.service}
    for rival in rivals_of(chosen):
        has_port = rival.service in listening
        listening -= {rival.service}
        is_here = rival.is_enabled() or rival.is_active()
        sites = rival.others_on(app, port) if is_here else []
        if sites or (has_port and not rival.has(app)):
            words = f" with {', '.join(sites)}" if sites else ""
            other = " or ".join(word for word, each in WEB_SERVERS.items() if each is rival)
            raise GreenroomError(
                f"app_web_server is {name}, and port {port} (app_port) of this host is that of "
                f"{rival.service}{words}. One of them can have it: set app_web_server to {other}, "
                f"or choose another app_port, or take those sites away (where {rival.service} has "
                f"none left: systemctl disable --now {rival.service})."
            )
    if listening:
        raise GreenroomError(
            f"Port {port} (app_port) of this host is that of another program "
            f"({', '.join(sorted(listening))}), and {chosen.service} could not listen on it. "
            "Choose another app_port, or stop that program."
        )


def check_ports_of_others(app: App, chosen: WebServer, port: int) -> None:
    """Refuse a port of its own for an app on Apache: what its apps share is one file.

    Raises GreenroomError.
    """
    ours = [text for text in chosen.others(app).values() if chosen.mark in text]
    on = {int(found) for text in ours for found in re.findall(r"<VirtualHost \*:(\d+)>", text)}
    if on - {port}:
        other = ", ".join(map(str, sorted(on - {port})))
        raise GreenroomError(
            f"app_port is {port}, and other apps of this host are on port {other} of "
            f"{chosen.service}, which all of them share; it should be {other}."
        )


def serve(app: App, name: str, port: int, check_mode: bool = False) -> tuple[bool, float]:
    """Have the web server called ``name`` serve the app, now and at boot, and no other one.

    Returns whether anything changed, and for how many seconds nobody listened. Raises
    GreenroomError, with the one before serving again, when the chosen one does not come up.
    """
    chosen = look_up(WEB_SERVERS, "web_server", name)
    before = [rival for rival in rivals_of(chosen) if rival.has(app)]
    is_enabled = chosen.is_enabled()
    is_up = chosen.is_active() and chosen.service in who_listens(port)
    # A run that ended before Apache had read its site left it without processes for the app.
    has_read_it = name != "apache" or ModWsgi(app).has_processes()
    is_right = is_up and is_enabled and has_read_it and not before
    if check_mode or is_right:
        return not is_right, 0.0
    began = time.monotonic()
    for rival in before:
        leave(app, rival, port)
    try:
        wait_for(port, lambda names: not names & {rival.service for rival in before})
        start(chosen, port)
    except GreenroomError:
        for rival in before:
            come_back(app, chosen, rival, port)
        raise
    gap = time.monotonic() - began if before else 0.0
    if tell(chosen, "enable").returncode:
        raise GreenroomError(f"{chosen.service} cannot be enabled, and would not come up at boot.")
    for rival in before:
        forget(app, rival, port)
    return True, gap


def tell(server: WebServer, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Have whatever runs the host's services do something with a web server.

    ``verb`` is one of systemctl's; ``options`` are for that alone.
    """
    if os.path.isdir(SYSTEMD):
        return run(["systemctl", "--quiet", verb, *options, server.service])
    if verb in ("enable", "disable"):
        return run(["update-rc.d", server.service, verb])
    others = {"is-active": "status", "reload-or-restart": "restart"}
    return run(["service", server.service, others.get(verb, verb)])


def is_of_greenroom(app: App, server: WebServer) -> bool:
    """Whether a web server has another app's site."""
    return any(server.mark in text for text in server.others(app).values())


def leave(app: App, rival: WebServer, port: int) -> None:
    """Take the app's site from a web server, which finishes the requests that it has."""
    remove(rival.site.format(app.name))
    if not rival.is_needed(app, port):
        finish(rival)
        return
    if os.path.lexists(rival.shared) and not is_of_greenroom(app, rival):
        os.replace(rival.shared, f"{rival.shared}.left")  # it listens on the port
    tell(rival, "reload")


def finish(server: WebServer) -> None:
    """Have a web server close its ports at once, and end when it has answered what it was asked.

    Debian's units end Apache's requests with it, and nginx's after 5 seconds.
    """
    if os.path.isdir(SYSTEMD):
        tell(server, "kill", "--kill-who=main", f"--signal={server.finish}")
    else:
        tell(server, "stop")


def come_back(app: App, chosen: WebServer, rival: WebServer, port: int) -> None:
    """Have a web server serve the app as before: the chosen one did not take the port."""
    remove(chosen.site.format(app.name))
    if not is_of_greenroom(app, chosen):
        remove(chosen.shared)
    if not chosen.is_needed(app, port):
        tell(chosen, "stop")
        tell(chosen, "disable")  # or it would take the port at the next boot
    elif chosen.is_enabled():
        tell(chosen, "reload-or-restart")  # Apache ends where it cannot listen
    replace_link(rival.site.format(app.name), rival.available.format(app.name))
    if os.path.lexists(f"{rival.shared}.left"):
        os.replace(f"{rival.shared}.left", rival.shared)
    # One that is about to end listens to no reload.
    tell(rival, "reload-or-restart" if rival.is_needed(app, port) else "restart")


def start(chosen: WebServer, port: int) -> None:
    """Start a web server, or have one that runs listen on the port too. Raises GreenroomError."""
    began, verb = int(time.time()), "reload" if chosen.is_active() else "start"
    told = tell(chosen, verb)
    if told.returncode:
        said = told.stdout + told.stderr
        if os.path.isdir(SYSTEMD):
            since = [f"--since=@{began}", f"--unit={chosen.service}"]
            said = run(["journalctl", "--no-pager", "--output=cat", *since]).stdout
        raise GreenroomError(f"{chosen.service} did not {verb}:\n{tail(said)}")
    wait_for(port, lambda names: chosen.service in names)


def wait_for(port: int, is_so: Callable[[set[str]], bool]) -> None:
    """Wait until those who listen on a port are as they should. Raises GreenroomError."""
    deadline = time.monotonic() + PATIENCE
    while not is_so(names := who_listens(port)):
        if time.monotonic() > deadline:
            who = " and ".join(sorted(names)) or "nobody"
            raise GreenroomError(f"After {PATIENCE} seconds it is {who} that has port {port}.")
        time.sleep(0.01)


def forget(app: App, rival: WebServer, port: int) -> None:
    """Take away what a web server still has of the app; with no site left, it is not for boots."""
    if not rival.is_needed(app, port):
        deadline = time.monotonic() + FINISHING
        while rival.is_active() and time.monotonic() < deadline:
            time.sleep(0.05)
        tell(rival, "stop")
        tell(rival, "disable")
        if os.path.isdir(SYSTEMD):
            tell(rival, "reset-failed")  # it ended, and nobody had asked systemd
    if not is_of_greenroom(app, rival):
        for path in (rival.shared, f"{rival.shared}.left", rival.kept):
            remove(path)
    remove(rival.available.format(app.name))
