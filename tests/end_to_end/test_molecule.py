"""The default scenario works with molecule's own commands."""

from pathlib import Path

import pytest
from host import ansible_environment, command

pytestmark = pytest.mark.extended


@pytest.mark.usefixtures("bare_image")
def test_the_default_scenario(checkout: Path) -> None:
    molecule = checkout / ".venv" / "bin" / "molecule"
    run = command(molecule, "test", cwd=checkout, env=ansible_environment({}))
    assert "idempotence" in (run.stdout + run.stderr).lower()
