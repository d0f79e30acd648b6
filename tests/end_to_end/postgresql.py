"""What an app and its host show of their PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

from host import Host, PlaybookRun

KEPT = "/var/lib/greenroom-playbill-database-password"
TOLD = "/etc/playbill/database.env"


def configure(host: Host, **more: Any) -> None:
    """Have the host's playbooks use PostgreSQL, or what is said here, from now on."""
    path = host.last_inventory
    own = json.loads(path.read_text())["staging"]["hosts"][host.container]
    kept = {key: value for key, value in own.items() if key.startswith("app_")}
    host.inventory(path, **{**kept, "app_database": "postgresql", **more})


def sql(host: Host, statement: str, database: str = "playbill") -> str:
    """What PostgreSQL answers its own administrator."""
    psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--dbname", database]
    return host.run([*psql, "--command", statement], user="postgres").stdout.strip()


def url(host: Host) -> str:
    """The address that the app gets, as the service manager reads it."""
    script = f'. {TOLD} && printf %s "$DATABASE_URL"'
    return host.shell(script)


def enters(host: Host, address: str, user: str = "nobody", **environment: str) -> tuple[bool, str]:
    """Whether that address lets a user of the host into the database, and what is said."""
    argv = ["env", *(f"{name}={value}" for name, value in environment.items())]
    run = host.run(
        [*argv, "psql", "--no-psqlrc", "--no-password", address, "--command", "SELECT 1"],
        user=user,
        check=False,
    )
    return run.returncode == 0, run.stderr


def announce(host: Host, title: str) -> None:
    """Fill in the site's form, as a visitor would."""
    script = f"""
import re, sys, urllib.parse, urllib.request
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
page = opener.open("http://localhost/shows/new/").read().decode()
token = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
form = {{"csrfmiddlewaretoken": token, "title": {title!r}, "description": "One night only.",
         "date": "2030-01-01", "stage": ""}}
opener.open("http://localhost/shows/new/", urllib.parse.urlencode(form).encode())
"""
    host.run(["python3", "-"], stdin=script)


def listening(host: Host) -> set[str]:
    """The addresses on which something listens on PostgreSQL's port."""
    script = """
import ipaddress, struct
for name in ("tcp", "tcp6"):
    for line in open(f"/proc/net/{name}").readlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        address, port = local.split(":")
        if state == "0A" and int(port, 16) == 5432:
            words = [int(address[i:i + 8], 16) for i in range(0, len(address), 8)]
            print(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))
"""
    return set(host.run(["python3", "-"], stdin=script).stdout.split())


def changes(run: PlaybookRun) -> dict[str, int]:
    """How many tasks changed something, for each host."""
    return {host: counts["changed"] for host, counts in run.recap.items()}
