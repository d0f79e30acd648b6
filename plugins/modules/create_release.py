#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: D100 - DOCUMENTATION says what it is
from __future__ import annotations

DOCUMENTATION = r"""
---
module: create_release
short_description: Make a numbered release of an app from a revision
description:
  - Makes the tree of one revision, links in what outlives releases, writes the environment file
    and the local settings that this release will run with, and opens its entry in the journal.
  - Gives it the virtualenv that its requirements ask for, where another release has the same.
  - Does nothing where the release that serves already is this revision with these settings, and
    runs.
  - Needs the repository to be fetched before.
version_added: 0.1.0
author:
  - The Greenroom authors (@greenroom)
extends_documentation_fragment:
  - greenroom.django.step
  - greenroom.django.step.source_control
  - greenroom.django.step.service_manager
options:
  number:
    description: The number for the release, if one is made. It must be higher than all before.
    type: int
    required: true
  rev:
    description: The branch, tag or commit to make it from; with Mercurial a bookmark or local
      number, too.
    type: str
    required: true
  by:
    description: Who deploys, for the journal.
    type: str
    required: true
  force:
    description: Make it also where the release on stage is the same, since other hosts lack it.
    type: bool
    default: false
  environment:
    description:
      - The environment file of the release, as the filter
        P(greenroom.django.environment_file#filter) writes it.
      - A single string, so that only the whole of it is masked in what this module returns.
    type: str
    default: ""
  local_settings:
    description: Where the local settings are in the tree, a Python file that version control does
      not have. Empty for none.
    type: str
    default: ""
  local_settings_content:
    description: What is in that file. Only the app can read it.
    type: str
    default: ""
  manage:
    description: Where manage.py is in the tree.
    type: str
    default: manage.py
  settings_module:
    description:
      - The settings module. Empty takes E(DJANGO_SETTINGS_MODULE) from the environment file, else
        what manage.py names.
    type: str
    default: ""
  wsgi:
    description: The WSGI callable as C(module:callable). Empty takes C(WSGI_APPLICATION) of the
      settings.
    type: str
    default: ""
  requirements:
    description: The file that names what the app needs, where it is not found by its usual name.
    type: str
    default: ""
  virtualenv:
    description: What goes into the virtualenv besides the requirements, as
      M(greenroom.django.virtualenv) takes it.
    type: dict
    suboptions:
      installer:
        description: What installs them.
        type: str
        choices: [uv, pip]
        default: uv
      python:
        description: The Python to use, by name or path.
        type: str
        default: python3
      install_project:
        description: Install the project itself too.
        type: bool
        default: false
      gunicorn:
        description: The requirement to install where the app's own name no gunicorn.
        type: str
        default: gunicorn
  shared_paths:
    description:
      - What outlives releases, relative to the tree. A name that ends in a slash is a folder.
      - What the repository has there is copied once, when there is none yet.
    type: list
    elements: str
    default: []
  settings:
    description:
      - All other settings that make a release what it is. A change in them makes a new release of
        the same revision. No secrets, those are in the environment file.
    type: dict
    default: {}
  gate:
    description:
      - Whether the revision must have passed its functional tests elsewhere before a release of it
        is made. V(closed) refuses one of which that is not known, from O(tests) or from an earlier
        release in the journal. V(none) refuses only one that has failed, by O(tests). V(open) lets
        all through.
      - A gate that was opened for a release is in the journal.
    type: str
    choices: [none, open, closed]
    default: none
  tests:
    description: How the functional tests of the revision ended elsewhere, as
      M(greenroom.django.record_tests) has it; empty where that is not known.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: In check mode it says what would be made.
  diff_mode:
    support: full
    description: The release and revision that serve, and those that would; with the commits
      between.
"""

EXAMPLES = r"""
- name: Create release 43 of the tip of live
  greenroom.django.create_release:
    app: blog
    number: 43
    rev: live
    by: ada@laptop
    shared_paths: [media/, db.sqlite3]
"""

RETURN = r"""
number:
  description: The release; the one that serves where none was made.
  returned: success
  type: int
needed:
  description: Whether a release was (in check mode, would be) made.
  returned: success
  type: bool
revision:
  description: The full hash of the commit.
  returned: success
  type: str
meant:
  description: What O(rev) was taken for, where the source control lets a name be several things;
    else empty.
  returned: when the repository was fetched
  type: str
  sample: the bookmark spring
path:
  description: The release's tree on the host.
  returned: success
  type: str
virtualenv:
  description: The virtualenv that it was given, empty where M(greenroom.django.virtualenv) has to
    build one.
  returned: when a release was made
  type: str
commits:
  description: The commits since the release that serves, newest first, short hash and subject; 20
    at most.
  returned: success
  type: list
  elements: str
"""

import json
import os
import posixpath
import pwd
import re
import time
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._django import MANIFEST
from ansible_collections.greenroom.django.plugins.module_utils._environment import load_environment
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import read_file, write_file
from ansible_collections.greenroom.django.plugins.module_utils._journal import (
    BUILDING,
    FAILED,
    Journal,
)
from ansible_collections.greenroom.django.plugins.module_utils._local_settings import (
    read_local_settings,
    write_local_settings,
)
from ansible_collections.greenroom.django.plugins.module_utils._module import run_module
from ansible_collections.greenroom.django.plugins.module_utils._requirements import (
    Virtualenv,
    wanted_virtualenv,
)
from ansible_collections.greenroom.django.plugins.module_utils._service import service_of
from ansible_collections.greenroom.django.plugins.module_utils._shared import link_shared
from ansible_collections.greenroom.django.plugins.module_utils._source_control import (
    Source,
    source_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder

SECRET_OPTIONS = (
    "environment",
    "local_settings_content",
)

# What was asked for, in a release's folder backstage: it is made again where that changes.
ASKED = "asked.json"

_NAMED_IN_MANAGE = re.compile(r"""DJANGO_SETTINGS_MODULE['"]\s*(?:,|\]\s*=)\s*['"]([\w.]+)['"]""")


def describe(
    source: Source, revision: str, params: dict[str, Any], environment: dict[str, str]
) -> dict[str, Any]:
    """The release's manifest: what the later steps, and gunicorn, need to know of it.

    Everything that the settings say is in the repository is looked for here, before a thing is
    made.
    Raises GreenroomError.
    """
    manage = posixpath.normpath(params["manage"])
    text = source.read(revision, manage)
    if text is None:
        raise GreenroomError(
            f"app_manage is {manage!r}, which is not a file in revision {revision[:12]}."
        )
    requirements = params["requirements"]
    if requirements and source.read(revision, posixpath.normpath(requirements)) is None:
        raise GreenroomError(
            f"app_requirements is {requirements!r}, which is not a file in revision "
            f"{revision[:12]}."
        )
    local = params["local_settings"]
    if local and source.has(revision, posixpath.normpath(local)):
        raise GreenroomError(
            f"app_local_settings is {local!r}, which revision {revision[:12]} has; it should be a "
            f"file that version control does not have: {source.untrack.format(local)}."
        )
    if local and not source.has(revision, posixpath.dirname(posixpath.normpath(local))):
        raise GreenroomError(
            f"app_local_settings is {local!r}, and revision {revision[:12]} has no such folder."
        )
    named = _NAMED_IN_MANAGE.search(text)
    module = (
        params["settings_module"]
        or environment.get("DJANGO_SETTINGS_MODULE")
        or (named.group(1) if named else "")
    )
    if not module:
        raise GreenroomError(f"{manage} names no settings module: set app_settings_module.")
    folder = posixpath.dirname(manage)
    # One that comes from elsewhere (PYTHONPATH, an installed package) is found out by the check.
    elsewhere = "PYTHONPATH" in environment or params["virtualenv"]["install_project"]
    if not elsewhere and not _has_module(source, revision, folder, module):
        raise GreenroomError(
            f"The settings module is {module!r} (app_settings_module), which is not in revision "
            f"{revision[:12]} beside {manage}."
        )
    return {
        "revision": revision,
        "directory": folder or ".",
        "settings_module": module,
        "wsgi": params["wsgi"],
        "local_settings": local,
        "requirements": requirements,
        "virtualenv": params["virtualenv"],
        "settings": params["settings"],
        "shared_paths": params["shared_paths"],
    }


def _has_module(source: Source, revision: str, folder: str, module: str) -> bool:
    path = posixpath.join(folder, *module.split("."))
    return any(
        source.read(revision, name) is not None for name in (f"{path}.py", f"{path}/__init__.py")
    )


def warnings_of_others(source: Source, revision: str) -> list[str]:
    """What to say of a revision that wants other repositories beside it: nothing fetches those."""
    file, others = source.others
    if not (source.read(revision, file) or "").strip():
        return []
    return [
        f"Revision {revision[:12]} has {others} ({file}), which are repositories of their own and "
        "are not fetched: their folders are empty or missing. What the app needs of them belongs "
        "into its repository, or its requirements."
    ]


def pass_gate(journal: Journal, revision: str, params: dict[str, Any]) -> dict[str, Any]:
    """What the journal is to say of a revision's functional tests, and of the gate.

    Raises GreenroomError where the gate is closed to it.
    """
    tests, gate = params["tests"], params["gate"]
    if not tests and gate != "none":
        known = [e["tests"] for e in journal.entries if e["revision"] == revision and "tests" in e]
        tests = known[-1] if known else {}
    noted = {"tests": tests} if tests else {}
    if tests.get("result") == "passed" or (gate == "none" and not tests):
        return noted
    if gate == "open":
        return {**noted, "gate": f"opened by {params['by']}"}
    why = (
        f"failed there ({tests['command']}, run by {tests['by']})"
        if tests
        else "have not passed there, as far as is known here"
    )
    raise GreenroomError(
        f"The gate is closed to revision {revision[:12]}: live takes what has passed its "
        f"functional tests on staging, and those of this revision {why}. Deploy it on staging, and "
        "then: ansible-playbook -i inventories/staging -i inventories/live promote.yml. To let it "
        "through as it is: -e allow_untested=true"
    )


def serves_already(
    app: App,
    serving: int | None,
    manifest: dict[str, Any],
    environment: str,
    local_settings: str,
    running: bool,
) -> bool:
    """Whether the release on stage is what would be made, is up, and would come up again."""
    if serving is None or not running:
        return False
    try:
        with app.open_backstage(serving) as backstage:
            asked = json.loads(backstage.read(ASKED))
        frozen = read_file(app.environment(serving))
        local = read_local_settings(app, serving, manifest["local_settings"])
        with Folder.open(app.releases, str(serving)) as folder:
            name = os.path.basename(folder.readlink(".venv"))
    except (OSError, ValueError, GreenroomError):
        return False
    whole = Virtualenv(app.release(serving), os.path.join(app.venvs, name), "").is_complete()
    same = asked == manifest and frozen == environment and local == local_settings
    return bool(same and whole)


def make(
    app: App,
    source: Source,
    number: int,
    manifest: dict[str, Any],
    environment: str,
    local_settings: str,
) -> None:
    """Make the tree of a release, with everything that Greenroom adds to it.

    Raises GreenroomError.
    """
    builder, readers = pwd.getpwnam(app.builder).pw_uid, pwd.getpwnam(app.user).pw_gid
    path = app.release(number)
    with Folder.open(app.releases) as releases:
        releases.remove(str(number))
        # What is made in it belongs to the app's group: the web server passes, and reads no code.
        releases.mkdir(str(number), 0o2751, builder, readers)
    source.export(manifest["revision"], path)
    with Folder.open(app.releases, str(number)) as tree:
        if tree.exists(".greenroom") or tree.exists(".venv"):
            raise GreenroomError(
                "The repository tracks .greenroom or .venv, which are names of the release's own."
            )
        tree.mkdir(".greenroom")
    link_shared(app, path, manifest["shared_paths"])
    if manifest["local_settings"]:
        write_local_settings(app, number, manifest["local_settings"], local_settings)
    with app.open_backstage(number) as backstage:
        backstage.mkdir("public")
        backstage.symlink("socket", app.socket(number))
        backstage.symlink("env", app.environment(number))
        backstage.write_json(ASKED, manifest)
        backstage.write_json(MANIFEST, {"number": number, **manifest})
    # root:APP 0640: the service manager reads it as root, people as members of the app's group.
    write_file(app.environment(number), environment, 0o640, 0, readers)


def reuse_virtualenv(app: App, number: int, manifest: dict[str, Any]) -> str:
    """Give the release the virtualenv that it needs, where that is there; its path, or nothing.

    It mostly is, and then the step that builds one need not be taken.
    """
    wanted = wanted_virtualenv(
        app, app.release(number), manifest["requirements"], manifest["virtualenv"]
    )
    if not wanted.is_complete():
        return ""
    wanted.link()
    return wanted.path


def create_release(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look, decide, make; the result of the module. Raises GreenroomError."""
    app, number = App(params["app"]), params["number"]
    source = source_of(app, params["source_control"])
    journal, serving = Journal.read(app.journal), app.serving()
    result: dict[str, Any] = {"number": number, "needed": True, "changed": True, "commits": []}
    result["path"] = app.release(number)
    served = (journal.find(serving) or {}).get("revision")
    on_stage = f"release {serving} of {served[:12]}\n" if served else "no release\n"
    if check_mode and source.awaits(params["rev"]):  # the fetch before was a rehearsal too
        return {
            **result,
            "revision": params["rev"],
            "diff": {"before": on_stage, "after": f"release {number} of {params['rev'][:12]}\n"},
        }
    revision = source.resolve(params["rev"])
    environment, local_settings = params["environment"], params["local_settings_content"]
    manifest = describe(source, revision, params, load_environment(environment))
    result["revision"], result["meant"] = revision, source.meaning(params["rev"])
    result["commits"] = source.between(served, revision) if served else []
    running = serving is not None and service_of(app, params["service_manager"]).is_active(serving)
    if (
        serving
        and not params["force"]
        and serves_already(app, serving, manifest, environment, local_settings, running)
    ):
        return {
            **result,
            "number": serving,
            "path": app.release(serving),
            "needed": False,
            "changed": False,
        }
    admitted = pass_gate(journal, revision, params)
    if warnings := warnings_of_others(source, revision):
        result["warnings"] = warnings
    result["diff"] = {
        "before": on_stage,
        "after": f"release {number} of {revision[:12]}\n"
        + "".join(f"  {line}\n" for line in result["commits"]),
    }
    if not check_mode:
        if number == journal.last_number() and journal.get(number)["result"] == FAILED:
            journal.entries.pop()  # it failed here, and not on the hosts that this one joins
        journal.add(
            {
                "number": number,
                "revision": revision,
                "rev": params["rev"],
                "tags": source.tags(revision),
                "subject": source.subject(revision),
                "by": params["by"],
                "started": int(time.time()),
                "before": serving,
                "result": BUILDING,
                **admitted,
            }
        )
        journal.write()
        make(app, source, number, manifest, environment, local_settings)
        result["virtualenv"] = reuse_virtualenv(app, number, manifest)
    return result


def main() -> None:
    """What the engine runs."""
    run_module(create_release)
