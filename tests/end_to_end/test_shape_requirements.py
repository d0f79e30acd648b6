"""What a project needs of Python: every way to say it, kept by content, without the index at last.

The lock files are those that uv, poetry and pipenv themselves wrote: projects/README.md says how.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from host import PlaybookRun
from project import HOME, PLAIN, Project

pytestmark = pytest.mark.story

PROJECTS = Path(__file__).parent / "projects"

INCLUDES = {
    "requirements.txt": "-r requirements/base.txt\n--constraint=requirements/pins.txt\n",
    "requirements/base.txt": "-r more/dates.txt\ndjango==5.2.18\n",
    "requirements/more/dates.txt": "isodate\n",
    "requirements/pins.txt": "isodate==0.6.1\n",
}


def packages(project: Project) -> dict[str, str]:
    """What the release that answers runs with: {name: version}."""
    found: dict[str, str] = project.page()["packages"]
    return found


def virtualenv(project: Project) -> str:
    """The folder of the virtualenv of the release on stage."""
    return project.host.shell(f"readlink -f {project.tree()}/.venv").strip()


def was_built(run: PlaybookRun) -> bool:
    """Whether a run with -v built a virtualenv; where one was there, the step was not taken."""
    found = re.search(r"^ +built: (true|false)$", run.stdout, re.MULTILINE)
    if found:
        return found[1] == "true"
    step = run.stdout.rindex("Build the virtualenv")  # of the two tasks that begin so, if both ran
    assert run.stdout[step:].splitlines()[1].startswith("skipping: ")
    return False


# -- requirements files ----------------------------------------------------------------------------


def test_files_that_include_others(project: Project) -> None:
    project.commit(INCLUDES)
    assert was_built(project.deploy("-v"))
    assert packages(project)["isodate"] == "0.6.1"
    assert packages(project)["django"] == "5.2.18"


def test_gunicorn_that_is_named_nowhere_is_greenroom_s(project: Project) -> None:
    assert packages(project)["gunicorn"] == "23.0.0"


def test_unchanged_requirements_cost_nothing(project: Project) -> None:
    before = virtualenv(project)
    project.commit({**INCLUDES, "CHANGES": "only this\n"})
    assert not was_built(project.deploy("-v"))
    assert virtualenv(project) == before


def test_a_change_in_a_file_that_is_included_counts(project: Project) -> None:
    before = virtualenv(project)
    project.commit({**INCLUDES, "requirements/pins.txt": "isodate==0.7.0\n"})
    assert was_built(project.deploy("-v"))
    assert virtualenv(project) != before
    assert packages(project)["isodate"] == "0.7.0"


def test_a_file_of_another_name_and_gunicorn_of_the_app(project: Project) -> None:
    more = {"requirements/live.txt": "-r base.txt\ngunicorn==22.0.0\n"}
    project.commit({**INCLUDES, **more})
    project.deploy(app_requirements="requirements/live.txt")
    assert packages(project)["gunicorn"] == "22.0.0"
    assert packages(project)["isodate"] == "0.7.2"  # pins.txt is not included by this one


def test_a_file_that_is_not_there_is_told(project: Project) -> None:
    said = project.refuse(app_requirements="requirements/nowhere.txt")
    assert "app_requirements is 'requirements/nowhere.txt', which is not a file" in said


def test_without_the_index_a_rollback_works_and_a_deploy_of_the_same(project: Project) -> None:
    hosts = project.host.run(["cat", "/etc/hosts"]).stdout
    gone = "127.0.0.1 pypi.org files.pythonhosted.org\n"
    project.host.run(["tee", "/etc/hosts"], stdin=hosts + gone)
    try:
        # It is really away: a package that is new cannot be had, and what serves goes on serving.
        project.commit({"requirements.txt": "django==5.2.18\npytz==2024.1\n"})
        said = project.refuse()
        assert "Building the virtualenv failed" in said
        assert "pypi.org" in said
        project.rollback()
        assert packages(project)["gunicorn"] == "23.0.0"
        assert packages(project)["isodate"] == "0.7.0"
        project.rollback()
        assert packages(project)["isodate"] == "0.6.1"
        project.commit({**INCLUDES, "CHANGES": "again\n"})
        assert not was_built(project.deploy("-v"))
        assert packages(project)["isodate"] == "0.6.1"
    finally:
        project.host.run(["tee", "/etc/hosts"], stdin=hosts)


# -- lock files ------------------------------------------------------------------------------------


def locked(name: str) -> dict[str, str | None]:
    """The files of a folder in projects/, instead of requirements.txt."""
    files: dict[str, str | None] = {
        path.name: path.read_text() for path in (PROJECTS / name).iterdir()
    }
    return {**files, "requirements.txt": None}


@pytest.mark.extended
@pytest.mark.parametrize(
    ("tool", "isodate"), [("uv", "0.7.0"), ("poetry", "0.6.0"), ("pipenv", "0.6.1")]
)
def test_a_lock_file_is_exported_by_its_own_tool(project: Project, tool: str, isodate: str) -> None:
    project.commit(locked(tool))
    project.deploy()
    assert packages(project)["isodate"] == isodate
    assert "colorama" not in packages(project), "that one is for developers"
    assert packages(project)["gunicorn"] == "23.0.0"


@pytest.mark.extended
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_pyproject_without_a_lock(project: Project, installer: str) -> None:
    project.commit({**locked("uv"), "uv.lock": None})
    project.deploy(app_installer=installer)
    assert packages(project)["isodate"] >= "0.7.2"
    assert "small" not in packages(project), "its dependencies alone were asked for"


# -- a project that is itself installed ------------------------------------------------------------

INSTALLED = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "small"
version = "3.1"
dependencies = ["django==5.2.18"]

[tool.setuptools.packages.find]
where = ["src"]

[tool.setuptools.package-data]
notes = ["static/**/*"]
""",
    "requirements.txt": None,
    # manage.py stays at the top, and finds its settings where pip put them.
    "manage.py": PLAIN["manage.py"],
    "src/manage.py": None,
}
# Beside the code there is site-packages now, so the data are elsewhere.
BESIDE = 'DATABASES["default"]["NAME"] = os.environ["DATABASE"]\n'
STATIC = 'STATIC_ROOT = "staticfiles"\n'
INSTALL: dict[str, Any] = {
    "app_install_project": True,
    "app_env": {"DATABASE": f"{HOME}/shared/db.sqlite3"},
}


@pytest.mark.extended
def test_a_database_inside_the_virtualenv_is_refused(project: Project) -> None:
    project.commit(INSTALLED, within="src/")
    said = project.refuse(**INSTALL)
    assert "The database 'default' is the SQLite file" in said
    assert "inside the release's virtualenv" in said


@pytest.mark.extended
def test_static_files_inside_the_virtualenv_are_refused(project: Project) -> None:
    project.commit(INSTALLED, settings=BESIDE, within="src/")
    said = project.refuse(**INSTALL)
    assert "STATIC_ROOT is" in said
    assert "that is inside the virtualenv" in said


@pytest.mark.extended
def test_a_project_that_is_itself_installed(project: Project) -> None:
    project.commit(INSTALLED, settings=BESIDE + STATIC, within="src/")
    project.deploy(**INSTALL)
    page = project.page()
    assert page["packages"]["small"] == "3.1"
    assert page["settings_file"].startswith(virtualenv(project))
    assert page["settings_file"].endswith("/site-packages/config/settings.py")
    assert project.host.get(page["css"]).text == "body { color: #123456 }\n"


@pytest.mark.extended
def test_each_of_its_releases_has_its_own_code(project: Project) -> None:
    first, text = virtualenv(project), project.page()["title"]
    project.commit(INSTALLED, settings=BESIDE + STATIC + "TITLE = 'second'\n", within="src/")
    project.deploy(**INSTALL)
    assert virtualenv(project) != first
    assert project.page()["title"] == "second"
    project.rollback()
    assert virtualenv(project) == first
    assert project.page()["title"] == text


@pytest.mark.extended
def test_a_package_that_is_kept_in_the_tree(project: Project) -> None:
    """Its code is part of a release too, though the requirements stay as they are."""
    library = {
        "requirements.txt": "django==5.2.18\n./libs/greeting\n",
        "libs/greeting/pyproject.toml": '[project]\nname = "greeting"\nversion = "1.0"\n',
    }
    for text in ("good evening", "good night"):
        project.commit(
            {**library, "libs/greeting/greeting.py": f"TEXT = {text!r}\n"},
            settings="from greeting import TEXT as TITLE\n",
        )
        project.deploy()
        assert project.page()["title"] == text
    project.rollback()
    assert project.page()["title"] == "good evening"


# -- C libraries, and pip --------------------------------------------------------------------------

DRIVER = "\nimport {0}\n\nTITLE = {1}\n"


@pytest.mark.extended
def test_a_library_that_is_missing_at_run_time_is_told_in_the_app_s_words(
    project: Project,
) -> None:
    project.commit(
        {"requirements.txt": "django==5.2.18\npsycopg==3.2.9\n"},
        settings=DRIVER.format("psycopg", "psycopg.pq.__impl__"),
    )
    said = project.refuse()
    assert "libpq library not found" in said


@pytest.mark.extended
def test_a_library_that_is_needed_at_run_time_alone(project: Project) -> None:
    project.provision(app_system_packages=["libpq5"])
    project.deploy()
    assert project.page()["title"] == "python"  # it found the C library by itself
    assert packages(project)["psycopg"] == "3.2.9"


@pytest.mark.extended
def test_a_compiler_that_is_missing_is_told_in_the_package_s_words(project: Project) -> None:
    project.commit(
        {"requirements.txt": "django==5.2.18\npsycopg2==2.9.10\n"},
        settings=DRIVER.format("psycopg2", "str(psycopg2.__libpq_version__)"),
    )
    said = project.refuse()
    assert "Building the virtualenv failed" in said
    assert "pg_config" in said


@pytest.mark.extended
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_package_that_is_compiled(project: Project, installer: str) -> None:
    if installer == "uv":
        project.provision(app_system_packages=["gcc", "python3-dev", "libpq-dev"])
    project.deploy(app_installer=installer)
    assert project.page()["title"].startswith("15")  # Debian 12's libpq
    assert packages(project)["psycopg2"] == "2.9.10"


@pytest.mark.extended
def test_pip_is_brought_up_to_date_in_the_virtualenv(project: Project) -> None:
    debian = project.host.shell("python3 -c 'import ensurepip; print(ensurepip.version())'").strip()
    assert debian.startswith("23.0")
    newer = [int(number) for number in packages(project)["pip"].split(".")[:2]]
    assert newer >= [25, 0]
