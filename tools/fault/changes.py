"""Changes to the example that are deployed, or refused."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence

from moments import Running, one_line

from fault.site import Site, must

REQUIREMENTS = "Django==5.2.19\npsycopg[binary]==3.3.9\n"


def rebuilt() -> dict[str, str]:
    """Files of a change that needs a virtualenv of its own, made from what is in the cache."""
    return {"requirements.txt": f"{REQUIREMENTS}# {secrets.token_hex(4)}\n"}


def refused(
    site: Site,
    says: str,
    files: dict[str, str] | None = None,
    arguments: Sequence[str] = (),
    env: dict[str, str] | None = None,
) -> None:
    """Deploy a change that cannot work, and is refused with these words."""
    site.change(files)
    run = site.run("deploy.yml", *arguments, env=env)
    must(run.returncode != 0, f"it was deployed:\n{run.output}")
    must(re.search(says, one_line(run)), f"it did not say {says!r}:\n{run.output}")
    must("MODULE FAILURE" not in run.output, f"it is no sentence:\n{run.output}")


def must_refuse(running: Running, says: str) -> None:
    """Raise FaultError, unless a run that has ended failed and said why."""
    must(running.process.returncode, f"it was deployed:\n{running.output}")
    said = " ".join(running.output.split())
    must(re.search(says, said), f"it did not say {says!r}:\n{running.output}")
    must("MODULE FAILURE" not in said, f"it is no sentence:\n{running.output}")


def app_that(act: str) -> dict[str, str]:
    """Files of a change whose app does something when gunicorn imports it."""
    return {
        "playbill/wsgi.py": "import os, sys, time\n"
        "from django.core.wsgi import get_wsgi_application\n"
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "playbill.settings")\n'
        f'if "gunicorn" in sys.argv[0]:\n    {act}\n'
        "application = get_wsgi_application()\n"
    }


def health_that(act: str) -> dict[str, str]:
    """Files of a change whose health page does something before it answers."""
    return {
        "shows/health.py": "import time\nfrom django.http import HttpResponse\n\n\n"
        f"def health(request):\n    {act}\n"
        '    return HttpResponse("ok")\n'
    }


def index_away(site: Site) -> None:
    """A new requirement, and no package index to get it from."""
    with site.host.edited("/etc/hosts", "127.0.0.1 pypi.org files.pythonhosted.org\n"):
        refused(
            site,
            "Building the virtualenv failed",
            {"requirements.txt": f"{REQUIREMENTS}blinker==1.{secrets.choice('5678')}\n"},
        )


def repository_away(site: Site) -> None:
    """The repository cannot be reached."""
    site.change()
    site.host.shell("mv /srv/git /srv/git.away")
    try:
        run = site.run("deploy.yml")
    finally:
        site.host.shell("mv /srv/git.away /srv/git")
    must(run.returncode != 0 and "cannot be fetched" in one_line(run), run.output)
