"""The virtual machine: where it comes from, how it is reached, and what its tools say."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.unit.roles.project import ROOT, load


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
    run = subprocess.run(
        ["/bin/sh", ROOT / tool],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)},
        capture_output=True,
        text=True,
    )
    assert run.stdout == ""
    return run.returncode, run.stderr


def test_one_line_where_no_box_can_be_made(tmp_path: Path) -> None:
    line = "vagrant-box: boxes are made for x86_64 alone, and this is aarch64\n"
    assert said(tmp_path, "tools/vagrant-box", uname="echo aarch64") == (1, line)
