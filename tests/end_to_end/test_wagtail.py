"""A project that nobody here wrote: that of `wagtail start`, Wagtail 7.0 LTS, with settings alone.

Nothing of it is changed, and nothing added. Its production settings read a file local.py, for what
belongs to a server; a hook writes that file into each release, as a user of Wagtail would.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from host import CHECKOUT, Host, command
from project import Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

WAGTAIL = "wagtail==7.0.*"

# Secrets stay in app_env; the file says where the settings find them.
LOCAL = """\
- name: Write what belongs to this server
  ansible.builtin.copy:
    dest: "{{ app_home }}/releases/{{ release_number }}/mysite/settings/local.py"
    content: |
      import os

      SECRET_KEY = os.environ["SECRET_KEY"]
      ALLOWED_HOSTS = os.environ["ALLOWED_HOSTS"].split(",")
      WAGTAILADMIN_BASE_URL = "https://www.example.com"
    owner: root
    group: root
    mode: "0644"
"""

SETTINGS: dict[str, Any] = {
    "app_settings_module": "mysite.settings.production",
    "app_hooks": {"before_build": "local.yml"},
}


@pytest.fixture(scope="module")
def project(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as `wagtail start mysite` makes it, in a repository, deployed."""
    folder = tmp_path_factory.mktemp("wagtail")
    project = Project.make(host, folder)
    start(project.repository.path)
    (folder / "local.yml").write_text(LOCAL)
    project.push()
    project.deploy(**SETTINGS)
    return project


def start(path: Path) -> None:
    """Have Wagtail itself make its project in a folder that is a repository."""
    uv, venv = CHECKOUT / ".venv" / "bin" / "uv", path.parent / "venv"
    bundle = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    environment = {**os.environ, "SSL_CERT_FILE": bundle, "UV_NO_PROGRESS": "1"}
    command(uv, "venv", "--quiet", venv, env=environment)
    python = venv / "bin" / "python"
    command(uv, "pip", "install", "--quiet", "--python", python, WAGTAIL, env=environment)
    made = path.parent / "made"
    made.mkdir()
    command(venv / "bin" / "wagtail", "start", "mysite", made)
    shutil.copytree(made, path, dirs_exist_ok=True)


def login_page(project: Project) -> str:
    """The page where an editor logs in, through nginx."""
    answer = project.host.get("/admin/login/")
    assert answer.status == 200, answer.text
    return answer.text


def style_sheet(project: Project) -> str:
    """The path of the admin's CSS, as its page names it: with a hash in it."""
    found = re.search(r'"(/static/wagtailadmin/css/core\.[0-9a-f]{12}\.css)"', login_page(project))
    assert found
    return found[1]


def test_the_welcome_page_answers(project: Project) -> None:
    assert "Welcome to your new Wagtail site!" in project.host.get("/").text


def test_it_runs_with_its_production_settings(project: Project) -> None:
    """With those for development it would answer a 404 with a page that shows all of its URLs."""
    answer = project.host.get("/no-such-page/")
    assert answer.status == 404
    assert "URLconf" not in answer.text


def test_the_admin_lets_one_log_in(project: Project) -> None:
    page = login_page(project)
    assert "csrfmiddlewaretoken" in page
    assert 'name="username"' in page


def test_the_static_files_of_the_admin_are_served(project: Project) -> None:
    answer = project.host.get(style_sheet(project))
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/css"
    assert "immutable" in answer.headers["cache-control"]
    assert len(answer.body) > 10_000


def test_its_own_files_are_as_wagtail_made_them(project: Project) -> None:
    """Settings alone: the repository has one commit, of what `wagtail start` wrote."""
    assert project.repository.git("rev-list", "--count", "HEAD") == "1"
    assert project.repository.git("ls-files", "mysite/settings").split() == [
        f"mysite/settings/{name}.py" for name in ("__init__", "base", "dev", "production")
    ]


def test_a_second_release_and_a_rollback_keep_the_rows(project: Project) -> None:
    project.sql("update wagtailcore_site set site_name = 'The Globe'")
    migrations = project.sql("select count(*) from django_migrations")
    welcome = "Welcome to your new Wagtail site!"
    template = project.repository.path / "home" / "templates" / "home" / "welcome_page.html"
    template.write_text(template.read_text().replace(welcome, "The second night"))
    project.push()
    project.deploy(**SETTINGS)
    assert "The second night" in project.host.get("/").text
    project.rollback()
    assert welcome in project.host.get("/").text
    assert project.sql("select site_name from wagtailcore_site") == [["The Globe"]]
    assert project.sql("select count(*) from django_migrations") == migrations
    assert project.host.get(style_sheet(project)).status == 200
