"""A small Django project that takes any shape, and the repository that a host deploys it from.

Only the standard library is used, as in the tools beside it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from example import Example, settings
from host import Host, HostError, PlaybookRun

#: the app's home on a host, and the name that a visitor asks for
HOME = "/srv/playbill"
SITE = "localhost"

MANAGE = """\
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""

WSGI = """\
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
"""

SETTINGS = """\
import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = os.environ["ALLOWED_HOSTS"].split(",")
DEBUG = False
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
INSTALLED_APPS = ["django.contrib.staticfiles", "notes"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
"""

# The page says how the release that answers was put together.
URLS = """\
import importlib.metadata
import os
import sys

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.templatetags.static import static
from django.urls import path

from notes.models import Note


def page(request):
    return JsonResponse({
        "settings": os.environ["DJANGO_SETTINGS_MODULE"],
        "settings_file": sys.modules[os.environ["DJANGO_SETTINGS_MODULE"]].__file__,
        "packages": {one.name.lower(): one.version for one in importlib.metadata.distributions()},
        "css": static("notes/page.css") if settings.STATIC_ROOT else None,
        "notes": [note.text for note in Note.objects.order_by("pk")],
        "title": getattr(settings, "TITLE", ""),
    })


def add(request):
    Note.objects.create(text=request.GET["text"])
    return HttpResponse(status=204)


urlpatterns = [path("", page), path("add/", add)]
"""

MODELS = """\
from django.db import models


class Note(models.Model):
    text = models.TextField()
"""

MIGRATION = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel("Note", [
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("text", models.TextField()),
        ]),
    ]
"""

#: {path: content} of the project in its plainest shape
PLAIN = {
    "manage.py": MANAGE,
    "requirements.txt": "django==5.2.18\n",
    "config/__init__.py": "",
    "config/settings.py": SETTINGS,
    "config/urls.py": URLS,
    "config/wsgi.py": WSGI,
    "notes/__init__.py": "",
    "notes/models.py": MODELS,
    "notes/migrations/__init__.py": "",
    "notes/migrations/0001_initial.py": MIGRATION,
    "notes/static/notes/page.css": "body { color: #123456 }\n",
}


@dataclass
class Project:
    """The project on one host. Each commit is the plain shape, and what a test lays over it."""

    host: Host
    repository: Example
    inventory: Path
    #: the inventory's variables
    variables: dict[str, Any]

    @classmethod
    def make(cls, host: Host, folder: Path) -> Project:
        """Start a repository in a folder, and on a host that site.yml has provisioned."""
        repository = Example(folder / "project")
        repository.path.mkdir()
        repository.git("init", "--quiet", "--initial-branch=staging")
        repository.publish(host)
        return cls(host, repository, folder / "staging", settings(SITE))

    def commit(
        self, files: Mapping[str, str | None] | None = None, settings: str = "", within: str = ""
    ) -> str:
        """Commit and push the plain project in another shape, and return the commit's hash.

        Args:
            files: {path: content} over the plain ones; None takes a file away
            settings: lines that go to the end of the settings
            within: the folder that all of it is in, such as src/; requirements.txt stays outside
        """
        plain = {**PLAIN, "config/settings.py": SETTINGS + settings}
        shape: dict[str, str | None] = {
            name if name == "requirements.txt" else within + name: text
            for name, text in plain.items()
        }
        shape.update(files or {})
        return self.commit_only({name: text for name, text in shape.items() if text is not None})

    def commit_only(self, files: Mapping[str, str]) -> str:
        """Commit and push these files and no others, and return the commit's hash."""
        for entry in self.repository.path.iterdir():
            if entry.is_dir() and not entry.is_symlink() and entry.name != ".git":
                shutil.rmtree(entry)
            elif entry.name != ".git":
                entry.unlink()
        for name, content in files.items():
            path = self.repository.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return self.push()

    def push(self) -> str:
        """Commit and push what is in the working copy, and return the commit's hash."""
        self.repository.git("add", "--all", "--force")
        self.repository.git("commit", "--quiet", "--allow-empty", "--message", "A shape")
        self.repository.git("push", "--quiet", "--force", "origin", "staging")
        return self.repository.git("rev-parse", "HEAD")

    def configure(self, environment: str = "staging", **variables: Any) -> None:
        """Write the inventory: what every project needs to be told, and these variables."""
        app_env = {**self.variables["app_env"], **variables.pop("app_env", {})}
        self.host.inventory(
            self.inventory,
            environment,
            **{**self.variables, "app_health_path": "/", "app_env": app_env, **variables},
        )

    def provision(self, **variables: Any) -> PlaybookRun:
        """Run site.yml with the inventory's variables and these."""
        self.configure(**variables)
        return self.host.playbook("site.yml")

    def deploy(self, *arguments: str, check: bool = True, **variables: Any) -> PlaybookRun:
        """Deploy the tip; the variables are those of this deploy and no other."""
        self.configure(**variables)
        return self.host.playbook("deploy.yml", *arguments, check=check)

    def refuse(self, **variables: Any) -> str:
        """Deploy what must be refused, and return what was said of it, in one line.

        Raises HostError when it was not refused, or when something else serves now.
        """
        before = self.serving()
        run = self.deploy(check=False, **variables)
        if run.returncode == 0 or self.serving() != before:
            raise HostError(f"release {before} served, {self.serving()} serves:\n{run.output}")
        if self.host.run(["test", "-e", f"{HOME}/lock.json"], check=False).returncode == 0:
            raise HostError(f"the lock was not given back:\n{run.output}")
        return " ".join(run.output.replace("\\n", " ").replace('\\"', '"').split())

    def rollback(self) -> PlaybookRun:
        """Go back to the release before."""
        return self.host.playbook("rollback.yml")

    def serving(self) -> int:
        """The number of the release on stage, 0 where there is none."""
        target = self.host.shell(f"readlink {HOME}/current || true").strip()
        return int(target.removeprefix("releases/") or 0)

    def tree(self) -> str:
        """The folder of the release on stage."""
        return f"{HOME}/releases/{self.serving()}"

    def page(self) -> dict[str, Any]:
        """What the served page says. Raises HostError when it is none."""
        answer = self.host.get("/")
        if answer.status != 200:
            raise HostError(f"the page answers {answer.status}: {answer.text}")
        found: dict[str, Any] = json.loads(answer.text)
        return found

    def sql(self, statement: str, database: str = "db.sqlite3") -> list[list[Any]]:
        """Run a statement on a SQLite file in shared/ as the app's user, and return its rows."""
        script = (
            "import json, sqlite3, sys; base = sqlite3.connect(sys.argv[1]); "
            "print(json.dumps(base.execute(sys.argv[2]).fetchall())); base.commit()"
        )
        argv = ["python3", "-c", script, f"{HOME}/shared/{database}", statement]
        rows: list[list[Any]] = json.loads(self.host.run(argv, user="playbill").stdout)
        return rows

    def read(self, path: str) -> str:
        """The text of a file in the release on stage, or of one named by its whole path."""
        return self.host.run(["cat", str(Path(self.tree(), path))]).stdout
