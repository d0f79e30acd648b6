"""Hooks: each of a user's task files runs at its moment; where there is none, nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import HOME, Project

pytestmark = [pytest.mark.extended, pytest.mark.story]

MOMENTS = [
    "before_build",
    "after_build",
    "before_migrate",
    "after_migrate",
    "before_handover",
    "after_handover",
]

# Each line: the moment, the release of this run, the one on stage, and what is there of the first.
HOOK = """\
- name: Note the moment
  ansible.builtin.shell: |
    tree={{{{ app_home }}}}/releases/{{{{ release_number }}}}
    there=
    test -d $tree && there="$there tree"
    test -e $tree/.venv && there="$there virtualenv"
    test -e $tree/staticfiles/staticfiles.json && there="$there static"
    test -s {{{{ app_home }}}}/shared/db.sqlite3 && there="$there tables"
    test -S /run/{{{{ app_name }}}}/{{{{ release_number }}}}.sock && there="$there socket"
    serves=$(basename $(readlink {{{{ app_home }}}}/current || echo none))
    echo "{moment} {{{{ release_number }}}} $serves:$there" >>/root/moments
  changed_when: true
"""


@pytest.fixture(scope="module")
def project(project: Project) -> Project:
    """The project, its hooks beside the inventory, and nothing deployed."""
    hooks = project.inventory.parent / "hooks"
    hooks.mkdir()
    for moment in MOMENTS:
        (hooks / f"{moment}.yml").write_text(HOOK.format(moment=moment))
    return project


def moments(project: Project) -> list[str]:
    """The lines that the hooks wrote since they were last asked for."""
    return project.host.shell("cat /root/moments; rm -f /root/moments").splitlines()


def test_each_runs_at_its_moment(project: Project) -> None:
    project.commit()
    project.deploy(app_hooks={moment: f"hooks/{moment}.yml" for moment in MOMENTS})
    assert moments(project) == [
        "before_build 1 none: tree",
        "after_build 1 none: tree virtualenv static",
        "before_migrate 1 none: tree virtualenv static",
        "after_migrate 1 none: tree virtualenv static tables",
        "before_handover 1 none: tree virtualenv static tables socket",
        "after_handover 1 1: tree virtualenv static tables socket",
    ]


def test_one_may_be_named_by_its_whole_path(project: Project) -> None:
    project.commit({"CHANGES": "one"})
    path = project.inventory.parent / "hooks" / "after_migrate.yml"
    project.deploy(app_hooks={"after_migrate": str(path)})
    assert moments(project) == ["after_migrate 2 1: tree virtualenv static tables"]


def test_no_hook_is_no_task(project: Project) -> None:
    project.commit({"CHANGES": "two"})
    with_one = project.deploy(app_hooks={"after_migrate": "hooks/after_migrate.yml"})
    assert len(moments(project)) == 1
    project.commit({"CHANGES": "three"})
    without = project.deploy()
    included = [run.stdout.count("included: ") for run in (without, with_one)]
    assert included[0] == included[1] - 1
    # The include is a task, and so is the one in it.
    recap, other = (run.recap[project.host.container] for run in (without, with_one))
    assert recap["ok"] == other["ok"] - 2
    assert project.host.run(["test", "-e", "/root/moments"], check=False).returncode


def test_one_before_the_build_may_change_what_is_asked_for(project: Project) -> None:
    project.commit({"CHANGES": "three and a half"})
    run = project.deploy(app_hooks={"before_build": "hooks/before_build.yml"})
    assert len(moments(project)) == 1
    task = run.stdout.index("Build the virtualenv")
    assert run.stdout[task:].splitlines()[1] == f"ok: [{project.host.container}]"


def test_those_of_the_handover_run_at_a_rollback_too(project: Project) -> None:
    serving = project.serving()
    project.configure(app_hooks={moment: f"hooks/{moment}.yml" for moment in MOMENTS})
    project.rollback()
    assert [line.split(":")[0] for line in moments(project)] == [
        f"before_handover {serving - 1} {serving}",
        f"after_handover {serving - 1} {serving - 1}",
    ]


def test_one_that_fails_keeps_the_release_off_the_stage(project: Project) -> None:
    hook = Path(project.inventory.parent, "hooks", "fails.yml")
    hook.write_text("- name: Ask the night watch\n  ansible.builtin.fail: {msg: not tonight}\n")
    project.commit({"CHANGES": "four"})
    said = project.refuse(app_hooks={"before_handover": "hooks/fails.yml"})
    assert "not tonight" in said
    assert 'failed at "Ask the night watch"' in said
    assert project.host.run(["test", "-e", f"{HOME}/lock.json"], check=False).returncode


def test_one_that_cannot_be_read_is_told_before_anything_is_made(project: Project) -> None:
    trees = project.host.shell(f"ls {HOME}/releases")
    Path(project.inventory.parent, "hooks", "torn.yml").write_text("- name: [\n")
    for hook in ("hooks/nowhere.yml", "hooks/torn.yml"):
        said = project.refuse(app_hooks={"before_handover": hook})
        assert "app_hooks" in said
        assert hook in said
        assert project.host.shell(f"ls {HOME}/releases") == trees
