"""A deploy with Fabric 3, as its users write one. `make bench` times it."""

from __future__ import annotations

from fabric import Connection, task

SITE = "/srv/fabric"
MANAGE = f"set -a; . {SITE}/env; set +a; {SITE}/venv/bin/python manage.py"


@task  # type: ignore[untyped-decorator]  # Fabric is not among the pins
def deploy(host: Connection) -> None:
    """Pull, install what the requirements have gained, migrate, collect, restart."""
    with host.cd(f"{SITE}/tree"):
        before = host.run("git rev-parse HEAD", hide=True).stdout.strip()
        host.run("git pull --quiet")
        changed = host.run(f"git diff --name-only {before} HEAD", hide=True).stdout.split()
        if "requirements.txt" in changed:
            host.run(f"{SITE}/venv/bin/pip install --quiet --requirement requirements.txt")
        host.run(f"{MANAGE} migrate --noinput --verbosity 0")
        host.run(f"{MANAGE} collectstatic --noinput --verbosity 0")
    host.sudo("systemctl restart fabric")
