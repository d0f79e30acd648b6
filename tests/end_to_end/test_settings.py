"""Settings that differ from staging to live, in the ways that Django projects know.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import shutil

import pytest
from project import HOME, SETTINGS, SITE, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]


def test_warnings_of_the_check_are_shown(project: Project) -> None:
    project.commit()
    run = project.deploy()
    assert "manage.py check --deploy: (security.W004) You have not set a value for" in " ".join(
        run.output.split()
    )
    assert "DEBUG is on" not in run.output
    silent = 'SILENCED_SYSTEM_CHECKS = ["security.W004"]\n'
    project.commit(settings=silent)
    assert "security.W004" not in project.deploy().output


def test_debug_is_a_warning_on_staging_and_an_error_on_live(project: Project) -> None:
    project.commit(settings="DEBUG = True\n")
    said = project.refuse(environment="live", app_branch="staging")
    assert "DEBUG is on in the settings, and this is live" in said
    assert "DEBUG is on in the settings: whoever causes an error" in project.deploy().output


def test_an_error_of_the_check_stops_a_deploy(project: Project) -> None:
    check = (
        "from django.core import checks\n\n\n@checks.register\ndef till(**_):\n"
        '    return [checks.Error("The till is open.", id="notes.E1")]\n'
    )
    project.commit({"notes/__init__.py": check})
    assert "found errors: (notes.E1) The till is open." in project.refuse()


# -- environment variables ------------------------------------------------------------------------

#: settings as many projects have them: all that differs comes from the environment
FROM_ENVIRONMENT = """
import dj_database_url

TITLE = f"{SECRET_KEY[:5]} {ALLOWED_HOSTS[1]}"
DATABASES = {"default": dj_database_url.config()}
"""
REQUIREMENTS = "django==5.2.18\ndj-database-url==3.1.2\n"
OTHER = f"{HOME}/shared/other.sqlite3"


def test_environment_variables(project: Project) -> None:
    """The usual ones, and each counts: the module, the key, the database, the names."""
    project.commit(
        {"config/by_environment.py": SETTINGS + FROM_ENVIRONMENT, "requirements.txt": REQUIREMENTS}
    )
    app_env = {
        "DJANGO_SETTINGS_MODULE": "config.by_environment",
        "SECRET_KEY": "hello-" + "x" * 50,
        "DATABASE_URL": f"sqlite:///{OTHER}",
        "ALLOWED_HOSTS": f"{SITE},www.example.org",
    }
    project.deploy(app_env=app_env)
    page = project.page()
    assert (page["settings"], page["title"]) == ("config.by_environment", "hello www.example.org")
    assert project.host.get("/add/?text=elsewhere").status == 204
    assert project.sql("select text from notes_note", "other.sqlite3") == [["elsewhere"]]
    app_env["ALLOWED_HOSTS"] = f"{SITE},www.example.net"
    before = project.serving()
    project.deploy(app_env=app_env)
    assert (project.serving(), project.page()["title"]) == (before + 1, "hello www.example.net")
    project.rollback()
    assert (project.serving(), project.page()["title"]) == (before, "hello www.example.org")


# -- a settings module for each environment -------------------------------------------------------

BY_MODULE = {
    "config/settings/__init__.py": "",
    "config/settings/base.py": SETTINGS.replace("parent.parent", "parent.parent.parent"),
    "config/settings/staging.py": 'from .base import *\n\nTITLE = "Rehearsal"\n',
    "config/settings/live.py": 'from .base import *\n\nTITLE = "Premiere"\n',
    "config/settings.py": None,
}


@pytest.mark.parametrize(("environment", "title"), [("staging", "Rehearsal"), ("live", "Premiere")])
def test_a_settings_module_for_each_environment(
    project: Project, environment: str, title: str
) -> None:
    """Named as the comments in group_vars have it, in the file of the environment's group."""
    project.commit(BY_MODULE)
    project.configure(environment)
    variables = project.inventory.parent / "group_vars"
    variables.mkdir(exist_ok=True)
    for name in ("staging", "live"):
        text = f"app_branch: staging\napp_settings_module: config.settings.{name}\n"
        (variables / f"{name}.yml").write_text(text)
    project.host.playbook("deploy.yml")
    shutil.rmtree(variables)
    page = project.page()
    assert (page["settings"], page["title"]) == (f"config.settings.{environment}", title)


# -- local settings -------------------------------------------------------------------------------

IMPORTS = "from .local_settings import *\n"
WHERE = "config/local_settings.py"
SECRET = "nobody-may-read-this"


def template(project: Project, text: str) -> str:
    """Write a template of local settings beside the inventory; its path as seen from there."""
    folder = project.inventory.parent / "templates"
    folder.mkdir(exist_ok=True)
    (folder / "local_settings.py.j2").write_text(text)
    return "templates/local_settings.py.j2"


def secret_template(project: Project, word: str) -> str:
    """One that has a secret in it."""
    return template(
        project,
        f"TITLE = {{{{ '{word}' | greenroom.django.python }}}}\n"
        f'MAIL = {{"PASSWORD": "{SECRET}-{word}"}}\n',
    )


def test_local_settings_of_our_own_template(project: Project) -> None:
    """What is needed most: the names, the key, and no DEBUG."""
    title = 'TITLE = f"{DEBUG} {ALLOWED_HOSTS} {SECRET_KEY}"\n'
    project.commit(settings="DEBUG = True\nSECRET_KEY = ''\n" + IMPORTS + title)
    project.deploy(
        app_local_settings=WHERE, app_env={"SECRET_KEY": 'it\'s a "secret"\\' + "x" * 50}
    )
    assert project.page()["title"] == f"False ['{SITE}'] it's a \"secret\"\\" + "x" * 50


def test_local_settings_of_a_template_of_ones_own(project: Project) -> None:
    """A change in it makes a new release of the same revision, which can be taken back."""
    revision = project.commit(settings=IMPORTS)
    mine = secret_template(project, "one")
    outputs = [
        project.deploy("-vvv", "--diff", app_local_settings=WHERE, app_local_settings_template=mine)
    ]
    first = project.serving()
    assert project.page()["title"] == "one"
    outputs.append(project.host.playbook("deploy.yml"))
    assert "Nothing to do" in outputs[-1].stdout
    secret_template(project, "two")
    outputs.append(project.host.playbook("deploy.yml", "--check", "--diff", "-vvv"))
    assert f"Would deploy release {first + 1}" in outputs[-1].stdout
    outputs.append(project.host.playbook("deploy.yml", "-vvv", "--diff"))
    assert (project.serving(), project.page()["title"]) == (first + 1, "two")
    journal = json.loads(project.host.shell(f"cat {HOME}/journal.json"))["releases"]
    assert {entry["revision"] for entry in journal[-2:]} == {revision}
    outputs.append(project.rollback())
    assert (project.serving(), project.page()["title"]) == (first, "one")
    assert [output.output for output in outputs if SECRET in output.output] == []


def test_who_can_read_local_settings(project: Project) -> None:
    file = f"{project.tree()}/{WHERE}"
    assert project.host.shell(f"stat -c '%U:%G %a' {file}").strip() == "root:playbill 640"
    for user in ("playbill-build", "www-data", "nobody"):
        grep = ["grep", "-rla", SECRET, "/srv", "/etc", "/opt", "/tmp", "/run", "/var"]
        assert project.host.run(grep, user=user, check=False).stdout == "", user
    log = project.host.shell("journalctl --no-pager --all")
    assert [line for line in log.splitlines() if SECRET in line and "grep -rla" not in line] == []
    assert "local_settings_content=NOT_LOGGING_PARAMETER" in log


def test_a_command_of_the_build_may_start_django(project: Project) -> None:
    """It is given the file for so long, and leaves no copy of it that its user could read."""
    project.commit(settings=IMPORTS)
    command = "python -c \"import config.settings as s; open('built', 'w').write(s.TITLE)\""
    project.deploy(
        app_local_settings=WHERE,
        app_local_settings_template=secret_template(project, "three"),
        app_commands_after_collectstatic=[command],
    )
    assert project.read("built") == "three"
    test_who_can_read_local_settings(project)


def test_what_the_app_says_of_its_local_settings(project: Project) -> None:
    """Its own words are shown when it fails, without the secrets."""
    project.commit(settings=IMPORTS + 'raise RuntimeError(f"The password is {MAIL}")\n')
    mine = secret_template(project, "four")
    said = project.refuse(app_local_settings=WHERE, app_local_settings_template=mine)
    assert "The password is {'PASSWORD': '********'}" in said
    assert SECRET not in said


def test_local_settings_that_are_not_right(project: Project) -> None:
    project.commit(settings=IMPORTS)
    mine = template(project, 'TITLE = "x"\nKEY = "{{ nowhere }}"\n')
    both = {"app_local_settings": WHERE, "app_local_settings_template": mine}
    said = project.refuse(**both)
    path = project.inventory.parent / mine
    assert f"cannot be read: 'nowhere' is undefined ({path}, line 2)" in said
    template(project, f'TITLE = "x"\nKEY = "{SECRET}\n')
    said = project.refuse(**both)
    assert (
        f"makes no Python: unterminated string literal (detected at line 2) in line 2 of {WHERE}."
        in said
    )
    assert SECRET not in said
    said = project.refuse(**{**both, "app_local_settings_template": "gone.j2"})
    assert f"is '{project.inventory.parent / 'gone.j2'}'; it should be a file" in said
    project.commit({WHERE: "TITLE = 'tracked'\n"}, settings=IMPORTS)
    said = project.refuse(**{**both, "app_local_settings_template": ""})
    assert f"app_local_settings is '{WHERE}', which revision" in said


def test_local_settings_that_nobody_imports(project: Project) -> None:
    project.commit()
    run = project.deploy(app_local_settings=WHERE)
    assert f"app_local_settings is {WHERE}, which was made, and the settings do not import it" in (
        " ".join(run.output.split())
    )
