# PRIVATE to the collection: what a release asks to be installed, and the virtualenv that has it.
from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._as_user import as_user
from ansible_collections.greenroom.django.plugins.module_utils._command import must_run
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._files import is_inside
from ansible_collections.greenroom.django.plugins.module_utils._source_control import build_sandbox
from ansible_collections.greenroom.django.plugins.module_utils._tree import Folder, read_text

LOCKS = ("uv.lock", "poetry.lock", "Pipfile.lock")
USUAL_NAMES = (*LOCKS, "requirements.txt", "pyproject.toml")

# Programs, the Python itself among them, and packages.
_PLACES = (("bin", "*"), ("lib", "python*", "site-packages", "*"))

_INCLUDE = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)", re.MULTILINE)
_LOCAL = re.compile(
    r"^\s*(?:(?:-e|--editable)[\s=]*)?(?:file:|\.{1,2}(?:/|\s*$|\[)|[\w.-]+/\S*\s*$)", re.MULTILINE
)

# In uv.lock, poetry.lock and Pipfile.lock; the project itself is "." in the first.
_LOCAL_IN_LOCK = re.compile(
    r'\b(?:editable|directory|path) = "(?!\."|https?:)|^type = "(?:directory|file)"'
    r'|"(?:path|file)":\s*"(?!https?:)',
    re.MULTILINE,
)


# The following two are done as the build user, whose tree it is.
def find_requirements(tree: str, named: str) -> str:
    """The requirements file, relative to the tree: the one named, or the first usual one."""
    if named:
        if not os.path.isfile(os.path.join(tree, named)):
            raise GreenroomError(
                f"app_requirements is {named!r}, which is not a file in the release."
            )
        return named
    return next((name for name in USUAL_NAMES if os.path.isfile(os.path.join(tree, name))), "")


def ingredients(tree: str, source: str) -> dict[str, str]:
    """Path and text of each file that decides what gets installed, with all that they include."""
    texts: dict[str, str] = {}
    waiting = [source] if source else []
    if os.path.basename(source) in LOCKS:
        folder = os.path.dirname(source)
        waiting += [os.path.join(folder, name) for name in ("pyproject.toml", "Pipfile")]
    while waiting:
        path = os.path.normpath(waiting.pop())
        full = os.path.join(tree, path)
        if path in texts or not is_inside(full, tree) or not os.path.isfile(full):
            continue
        texts[path] = read_text(full)
        if path.endswith((".txt", ".in")):
            waiting += [
                os.path.join(os.path.dirname(path), name) for name in _INCLUDE.findall(texts[path])
            ]
    return texts


def _asked_for(tree: str, named: str) -> tuple[str, dict[str, str]]:
    source = find_requirements(tree, named)
    try:
        return source, ingredients(tree, source)
    except OSError as error:
        raise GreenroomError(
            f"{source} names what the app needs, and cannot be read by the build user: {error}."
        ) from error


def needs_tree(texts: dict[str, str], install_project: bool) -> bool:
    """Whether code of the tree gets installed, so that each release needs its own virtualenv."""
    return install_project or any(_installs_code(path, text) for path, text in texts.items())


def _installs_code(path: str, text: str) -> bool:
    if path.endswith((".txt", ".in")):
        text = re.sub(r"^\s*(-r|-c|--requirement|--constraint|#).*$", "", text, flags=re.MULTILINE)
        return bool(_LOCAL.search(text))
    if path.endswith(".lock"):
        return bool(_LOCAL_IN_LOCK.search(text))
    # What it depends on stands in other files, which may be any in the tree.
    return bool(re.search(r"^dynamic\s*=\s*\[[^]]*dependencies", text, re.MULTILINE))


@dataclass(frozen=True)
class Virtualenv:
    """The virtualenv that a release needs. Releases that need the same have the same.

    ``source`` is what it is made from, relative to the ``tree``; empty where nothing is asked for.
    """

    tree: str
    path: str
    source: str

    def is_complete(self) -> bool:
        """Whether it is there and whole.

        It is not where its build died, whatever that may have written there, and where somebody
        took programs or packages out of it.
        """
        try:
            with Folder.open(*os.path.split(self.path)) as folder:
                if not (folder.is_ours() and folder.is_ours(".complete")):
                    return False
                names = folder.read(".complete").splitlines()
        except (OSError, ValueError, GreenroomError):
            return False
        return all(os.path.exists(os.path.join(self.path, name)) for name in names)

    def complete(self) -> None:
        """Say that it is whole, and what is in it. It is sealed."""
        places = [os.path.join(self.path, *place) for place in _PLACES]
        paths = [path for place in places for path in glob.glob(place)]
        names = sorted(os.path.relpath(path, self.path) for path in paths if os.path.exists(path))
        with Folder.open(*os.path.split(self.path)) as folder:
            folder.write(".complete", "".join(f"{name}\n" for name in names))

    def is_linked(self) -> bool:
        """Whether the release has it."""
        with Folder.open(*os.path.split(self.tree)) as tree:
            return tree.is_ours(".venv") and tree.readlink(".venv") == self._target()

    def link(self) -> None:
        """Give it to the release."""
        with Folder.open(*os.path.split(self.tree)) as tree:
            tree.remove(".venv")
            tree.symlink(".venv", self._target())

    def _target(self) -> str:
        return os.path.relpath(self.path, self.tree)


def wanted_virtualenv(
    app: App, tree: str, requirements: str, settings: Mapping[str, Any]
) -> Virtualenv:
    """The virtualenv that the release in ``tree`` needs, by the hash of all that goes into it.

    One that was damaged is left alone while another release has it, which may be the one that
    serves: then this is a second one of the same content.

    ``requirements`` names the file, or is empty for the usual names; ``settings`` has the
    options C(virtualenv) of the module release.
    Raises GreenroomError where the requirements or the Python are not there.
    """
    source, texts = as_user(app.builder, _asked_for, tree, requirements)
    recipe = {
        "python": must_run(
            "Asking Python for its version",
            [settings["python"], "-VV"],
            user=build_sandbox(app).without_network(),
        ),
        "texts": texts,
        **{key: settings[key] for key in ("installer", "gunicorn", "install_project")},
    }
    if needs_tree(texts, settings["install_project"]):
        recipe["tree"] = os.path.basename(tree)
    digest = hashlib.sha256(repr(sorted(recipe.items(), key=str)).encode()).hexdigest()[:16]
    taken = app.virtualenvs_in_use(but_for=tree)
    names = [digest, *(f"{digest}-{number}" for number in range(2, len(taken) + 2))]
    all_there_are = [Virtualenv(tree, os.path.join(app.venvs, name), source) for name in names]
    for virtualenv in all_there_are:
        if virtualenv.is_complete():
            return virtualenv
    return next(one for one in all_there_are if os.path.basename(one.path) not in taken)
