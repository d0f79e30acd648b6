#!/usr/bin/env python3
"""How long a deploy of a one-line change takes, beside the plain in-place way on the same host.

In place means what many sites do: `git pull; pip install -r; migrate; collectstatic; systemctl
reload` in one ssh session, over a connection that is open already, as Ansible's is. Both are timed
from the command to the moment when it has returned and the new page answers. They take turns, so
that whatever else the machine does hits both.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from example import ON_HOST, Example, provision
from host import Host, HostError

#: The site again, as it would be without Greenroom, behind the same nginx and with as many workers.
IN_PLACE = f"""
set -eu
cd /srv
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
apt-get -qq install --yes --no-install-recommends python3-venv >/dev/null
git clone --quiet --branch staging {ON_HOST} in-place/tree
python3 -m venv in-place/venv
in-place/venv/bin/pip install --quiet --requirement in-place/tree/requirements.txt gunicorn
cat >in-place/env <<ENV
SECRET_KEY=$(od -An -N 40 -t x1 /dev/urandom | tr -d ' \\n')
ALLOWED_HOSTS=in-place.test
ENV
cat >/etc/systemd/system/in-place.service <<'UNIT'
[Service]
Type=notify
WorkingDirectory=/srv/in-place/tree
EnvironmentFile=/srv/in-place/env
ExecStart=/srv/in-place/venv/bin/gunicorn --workers 3 --bind unix:/run/in-place.sock playbill.wsgi
ExecReload=/bin/kill -HUP $MAINPID
UNIT
cat >/etc/nginx/conf.d/in-place.conf <<'SERVER'
server {{
    listen 80;
    server_name in-place.test;
    location / {{
        proxy_pass http://unix:/run/in-place.sock;
        proxy_set_header Host $host;
    }}
}}
SERVER
systemctl daemon-reload
nginx -s reload
"""

DEPLOY_IN_PLACE = """
set -eu
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
cd /srv/in-place/tree
set -a; . /srv/in-place/env; set +a
git pull --quiet
/srv/in-place/venv/bin/pip install --quiet --requirement requirements.txt
/srv/in-place/venv/bin/python manage.py migrate --verbosity 0
/srv/in-place/venv/bin/python manage.py collectstatic --noinput --verbosity 0
systemctl reload-or-restart in-place
"""


@dataclass(frozen=True)
class Figures:
    """What was measured: seconds of each run, and the tasks of a deploy on its host."""

    greenroom: list[float]
    in_place: list[float]
    tasks: list[int]

    @property
    def ratio(self) -> float:
        """How many times the in-place way's time a deploy takes, by their medians."""
        return statistics.median(self.greenroom) / statistics.median(self.in_place)

    def __str__(self) -> str:
        def row(name: str, runs: list[float]) -> str:
            each = " ".join(f"{seconds:6.2f}" for seconds in runs)
            return f"{name:10} {each}   median {statistics.median(runs):.2f} s"

        return "\n".join(
            [
                row("in place", self.in_place),
                row("greenroom", self.greenroom) + f", {max(self.tasks)} tasks on the host",
                f"greenroom takes {self.ratio:.1f} times as long",
            ]
        )


def until_served(host: Host, name: str, text: str, seconds: float = 20) -> None:
    """Wait until the page of a site contains text. Raises HostError when it never does."""
    deadline = time.monotonic() + seconds
    while True:
        answer = host.get("/", name)
        if text in answer.text:
            return
        if time.monotonic() > deadline:
            raise HostError(f"{name} answers {answer.status}, and not with {text!r}")
        time.sleep(0.01)


def measure(host: Host, example: Example, runs: int = 5) -> Figures:
    """Time both ways in turns, on a provisioned host which has deployed the example's staging.

    Args:
        host: the host; the in-place site is added to it
        example: the working copy that pushes there
        runs: how many deploys of each kind
    """
    figures = Figures([], [], [])

    def change(text: str) -> None:
        example.commit({"playbill/__init__.py": f'VERSION = "v1"\nVERSION_NAME = "{text}"\n'}, text)

    def timed(name: str, text: str, deploy: Callable[[], object]) -> float:
        change(text)
        started = time.monotonic()
        deploy()
        until_served(host, name, text)
        return time.monotonic() - started

    def deploy() -> None:
        figures.tasks.append(host.playbook("deploy.yml").recap[host.container]["ok"])

    host.shell(IN_PLACE)
    host.shell(DEPLOY_IN_PLACE)
    for number in range(1, runs + 1):
        seconds = timed("in-place.test", f"in place {number}", lambda: host.shell(DEPLOY_IN_PLACE))
        figures.in_place.append(seconds)
        figures.greenroom.append(timed("localhost", f"greenroom {number}", deploy))
    return figures


def main() -> int:
    """Make a host, measure, print; returns the exit status."""
    try:
        with Host.start("bench") as host, tempfile.TemporaryDirectory() as folder:
            print(f"bench: provisioning {host.container}", file=sys.stderr)
            example = provision(host, Path(folder))
            host.playbook("deploy.yml")
            print("bench: five deploys of a one-line change, each way", file=sys.stderr)
            print(measure(host, example))
    except HostError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
