"""Settings that differ from staging to live, in the ways that Django projects know.

The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import pytest
from host import Host
from project import Project


@pytest.fixture(scope="module")
def project(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project, and nothing deployed."""
    return Project.make(host, tmp_path_factory.mktemp("settings"))


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
