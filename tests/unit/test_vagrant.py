"""What the virtual machine shares with other hosts, and what its tools say without libvirt."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.project import ROOT, load

SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
SHARED = load(".config/molecule/config.yml")


def repeated(own: Any, shared: Any) -> list[str]:
    """The keys of a scenario that say nothing else than what all scenarios share."""
    if not isinstance(own, dict) or not isinstance(shared, dict):
        return [""] if own == shared else []
    return [f"{key}.{rest}" for key in own for rest in repeated(own[key], shared.get(key))]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_says_only_what_differs(scenario: str) -> None:
    assert repeated(load(f"molecule/{scenario}/molecule.yml"), SHARED) == []


def test_the_machine_goes_the_way_of_the_container() -> None:
    playbooks = load("molecule/vagrant/molecule.yml")["provisioner"]["playbooks"]
    for step in ("prepare", "converge", "verify"):
        there = (ROOT / "molecule/vagrant" / playbooks[step]).resolve()
        assert there == ROOT / f"molecule/default/{step}.yml"
        assert there.exists()


def test_the_inventory_asks_the_files_that_vagrant_up_writes() -> None:
    machine = load("inventories/vagrant")["staging"]["hosts"]["vagrant"]
    vagrantfile = (ROOT / "Vagrantfile").read_text()
    assert machine["ansible_ssh_common_args"] == "-F .vagrant/ssh-config"
    assert "/../.vagrant/address" in machine["ansible_host"]
    for name in ("ssh-config", "address"):
        assert f'local_data_path.join("{name}").write' in vagrantfile


def test_it_is_never_fetched_by_a_name_that_may_be_somebody_elses() -> None:
    lines = [line.strip() for line in (ROOT / "Vagrantfile").read_text().splitlines()]
    box = lines.index('override.vm.box = "greenroom/debian-12"')
    assert any(line.startswith('override.vm.box_url = "file://') for line in lines[box:])


def said(folder: Path, tool: str, **programs: str) -> tuple[int, str]:
    """How a tool ends, and what it says, where these programs are found first."""
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    path = f"{folder}:/nothing" if tool == "tools/provider" else f"{folder}:{os.environ['PATH']}"
    run = subprocess.run(
        ["/bin/sh", ROOT / tool],
        env={"PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert run.stdout == ""
    return run.returncode, run.stderr


MISSING = "on Debian: apt-get install vagrant-libvirt libvirt-daemon-system\n"


def test_one_line_where_there_is_no_vagrant(tmp_path: Path) -> None:
    line = f"provider: Vagrant has no libvirt here; {MISSING}"
    assert said(tmp_path, "tools/provider") == (1, line)
    (tmp_path / "grep").symlink_to("/bin/grep")
    programs = {"vagrant": "echo 'vagrant-vbguest (0.31.0)'", "virsh": "exit 1"}
    assert said(tmp_path, "tools/provider", **programs) == (1, line)


def test_nothing_to_say_where_libvirt_answers(tmp_path: Path) -> None:
    (tmp_path / "grep").symlink_to("/bin/grep")
    programs = {"vagrant": "echo 'vagrant-libvirt (0.11.2, system)'", "virsh": "exit 0"}
    assert said(tmp_path, "tools/provider", **programs) == (0, "")


def test_one_line_where_no_box_can_be_made(tmp_path: Path) -> None:
    line = "vagrant-box: boxes are made for x86_64 alone, and this is aarch64\n"
    assert said(tmp_path, "tools/vagrant-box", uname="echo aarch64") == (1, line)
