"""A deploy with pyinfra 3, as its users write one. `make bench` times it."""

from __future__ import annotations

from pyinfra.operations import git, server, systemd

SITE = "/srv/pyinfra"
MANAGE = f"set -a; . {SITE}/env; set +a; {SITE}/venv/bin/python manage.py"

git.repo(
    name="Pull the code",
    src="/srv/git/playbill.git",
    dest=f"{SITE}/tree",
    branch="staging",
)
server.shell(
    name="Install the requirements where they have changed",
    commands="git diff --quiet HEAD@{1} HEAD -- requirements.txt"
    f" || {SITE}/venv/bin/pip install --quiet --requirement requirements.txt",
    _chdir=f"{SITE}/tree",
)
server.shell(
    name="Migrate",
    commands=f"{MANAGE} migrate --noinput --verbosity 0",
    _chdir=f"{SITE}/tree",
)
server.shell(
    name="Collect the static files",
    commands=f"{MANAGE} collectstatic --noinput --verbosity 0",
    _chdir=f"{SITE}/tree",
)
systemd.service(name="Restart the site", service="pyinfra", restarted=True, _sudo=True)
