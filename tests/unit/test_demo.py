"""The table of releases that `make demo` shows at its end, taken out of what Ansible printed."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from host import ansible_environment

ROOT = Path(__file__).parents[2]

TABLE = """\
playbill on greenroom-demo: release 3 serves, healthy
     RELEASE  REVISION    AGE    BY       STATE                 SUBJECT
  *  3        9d3ffe55fc  78 s   root@vm  serves                Descriptions may use Markdown
     1        be4be5ae5d  5 min  root@vm  good, can be gone to  First night: shows, a form to ann
"""
RECAP = """\
greenroom-demo             : ok=4    changed=0    unreachable=0    failed=0    skipped=2    \
rescued=0    ignored=0

"""


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("demo", str(ROOT / "tools/demo"))
    spec = importlib.util.spec_from_loader("demo", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def printed(*shown: str) -> str:
    """What ansible-playbook printed of status.yml, as it was captured, with the settings QUIET."""
    play, recap = (
        f"\n{head} {'*' * (79 - len(head))}\n"
        for head in ("PLAY [Show the status of the hosts]", "PLAY RECAP")
    )
    return play + "".join(shown) + recap + RECAP


@pytest.mark.parametrize(
    "shown",
    [
        [TABLE],
        [TABLE, TABLE.replace("greenroom-demo", "web2")],
        [TABLE, "PLAYBILL is not level: web1 serves release 3, and web2 release 2.\n"],
        ["playbill on greenroom-demo: nothing serves\n  (no release yet)\n"],
        [],
    ],
)
def test_all_that_was_shown_and_nothing_else(demo: ModuleType, shown: list[str]) -> None:
    assert demo.shown(printed(*shown)) == "".join(shown).strip()


def test_ansible_prints_so(demo: ModuleType, tmp_path: Path) -> None:
    """Whatever comes after what was shown: here, a task that is skipped and one that is well."""
    playbook = tmp_path / "status.yml"
    playbook.write_text(f"""
- name: Show the status of the hosts
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Read the status of each host
      ansible.builtin.assert: {{that: true}}
    - name: Show the status as a table
      greenroom.django.show: {{text: {json.dumps(TABLE)}}}
    - name: Show hosts out of sync
      when: false
      greenroom.django.show: {{text: no}}
    - name: Check the end
      ansible.builtin.assert: {{that: true}}
""")
    run = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), playbook],
        env=ansible_environment(demo.QUIET),
        cwd=ROOT,  # for ansible.cfg
        capture_output=True,
        text=True,
        check=True,
    )
    assert demo.shown(run.stdout) == TABLE.strip()
