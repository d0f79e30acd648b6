# PRIVATE to the collection: what the settings of an app must look like.
from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._environment import environment_problem

HOOKS = ("before_build", "after_build", "before_migrate", "after_migrate", "before_handover", "after_handover")

Check = Callable[[Any], bool]


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and bool(compiled.fullmatch(value))


def _is_rev(value: Any) -> bool:
    """A name that git takes for a branch, a tag or a commit (git-check-ref-format), and no option of its."""
    text = str(value)
    return bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/+@#=-]*", text)) and not re.search(r"\.\.|//|@\{|/$|\.lock$", text)


def _is_repository(value: Any) -> bool:
    """A path, an address of ssh or https, or git@host:path; no secret and no other transport in it."""
    text = str(value)
    path = r"[A-Za-z0-9._~/+-]+"
    host = r"[A-Za-z0-9][A-Za-z0-9.-]*"
    return ".." not in text.split("/") and any(
        re.fullmatch(pattern, text)
        for pattern in (
            rf"/{path}",
            rf"file:///{path}",
            rf"https?://{host}(:\d+)?/{path}",
            rf"ssh://([A-Za-z0-9._-]+@)?{host}(:\d+)?/{path}",
            rf"[A-Za-z0-9._-]+@{host}:{path}",
        )
    )


def _is_inside(value: Any) -> bool:
    """A path that stays in the tree: relative, with no way up, of characters that need no quoting."""
    text = str(value)
    return bool(re.fullmatch(r"[A-Za-z0-9._@+/-]+", text)) and not (
        text.startswith(("/", "-")) or ".." in text.split("/") or posixpath.normpath(text) == "."
    )


def _or_empty(check: Check) -> Check:
    return lambda value: value == "" or check(value)


def _at_least(least: int) -> Check:
    return lambda value: isinstance(value, int) and value >= least


_host = _matches(r"\*?[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]")
_url_path = _matches(r"/([A-Za-z0-9._~-]+/)+")
_dotted = _matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

# Setting: what it should be in words, and whether a value is that.
RULES: dict[str, tuple[str, Check]] = {
    "app_name": (
        "up to 24 lower-case letters, digits and hyphens, starting with a letter",
        _matches(r"[a-z][a-z0-9-]{0,23}"),
    ),
    "app_repository": (
        "git@host:path, ssh://…, https://… without a password in it, or an absolute path on the host",
        _is_repository,
    ),
    "app_branch": ("the name of a branch", _is_rev),
    "rev": ("the name of a branch, tag or commit, or the number of a release", _or_empty(_is_rev)),
    "app_manage": ("a path inside the tree that ends in .py", lambda v: _is_inside(v) and v.endswith(".py")),
    "app_settings_module": ("a dotted name of a module, or empty", _or_empty(_dotted)),
    "app_wsgi": (
        "module:callable, or empty",
        _or_empty(_matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\(\))?")),
    ),
    "app_requirements": ("a path inside the tree, or empty", _or_empty(_is_inside)),
    "app_python": ("the name or path of a Python", _matches(r"(/[A-Za-z0-9._/-]+/)?python[0-9.]*")),
    "app_gunicorn": ("a requirement on gunicorn, such as gunicorn==23.0.0", _matches(r"gunicorn([=<>~!]=?[\w.,=<>~!*]+)?")),
    "app_static_url": ("a path that begins and ends with a slash", _url_path),
    "app_media_url": ("a path that begins and ends with a slash", _url_path),
    "app_media_path": ("one of app_shared_paths that ends in a slash, or empty", _or_empty(_is_inside)),
    "app_health_path": ("a path that begins with a slash", _matches(r"/[!-~]*")),
    "app_health_status": ("an HTTP status, 200 to 599", lambda v: isinstance(v, int) and 200 <= v < 600),
    "app_health_timeout": ("a number of seconds, 1 at least", _at_least(1)),
    "app_keep_releases": ("2 or more", _at_least(2)),
    "app_free_space": ("a number of MiB, 0 at least", _at_least(0)),
    "app_free_inodes": ("a number, 0 at least", _at_least(0)),
}

# The same for each item of a list.
RULES_OF_ITEMS: dict[str, tuple[str, Check]] = {
    "app_domains": ("names of hosts", _host),
    "app_shared_paths": ("paths inside the tree", _is_inside),
    "app_databases": ("names of databases in the settings", _matches(r"[A-Za-z_]\w*")),
    "app_system_packages": ("names of Debian packages", _matches(r"[a-z0-9][a-z0-9+.:-]+")),
    "app_commands_before_collectstatic": ("commands", lambda v: bool(str(v).strip())),
    "app_commands_after_collectstatic": ("commands", lambda v: bool(str(v).strip())),
}

# All that problems() looks at.
NAMES = [*RULES, *RULES_OF_ITEMS, "app_env", "app_hooks"]


def problems(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the settings, a sentence each; none where all is well.

    A sentence has the setting's name, what it is and what it should be; of ``app_env``, which holds
    secrets, never a value.
    """
    found = []
    for name, (should, is_right) in RULES.items():
        if name in settings and not is_right(settings[name]):
            found.append(f"{name} is {_shown(name, settings[name])}; it should be {should}.")
    for name, (should, is_right) in RULES_OF_ITEMS.items():
        items = settings.get(name, [])
        wrong = [item for item in items if not is_right(item)]
        if wrong:
            found.append(f"{name} has {', '.join(repr(str(item)) for item in wrong)}; it should be a list of {should}.")
    if "app_domains" in settings and not settings["app_domains"]:
        found.append("app_domains is empty; it should have the site's names, the main one first.")
    media = settings.get("app_media_path")
    if media and media not in settings.get("app_shared_paths", []):
        found.append(f"app_media_path is {media!r}; it should be one of app_shared_paths, or empty.")
    return found + _problems_of_environment(settings.get("app_env", {})) + _problems_of_hooks(settings.get("app_hooks", {}))


def _shown(name: str, value: Any) -> str:
    """A wrong value for a message; what may be a password in an address is left out."""
    text = str(value)
    return repr(re.sub(r"//[^/@]*:[^/@]*@", "//…@", text)) if name == "app_repository" else repr(text)


def _problems_of_environment(variables: Any) -> list[str]:
    if not isinstance(variables, Mapping):
        return [f"app_env is of type {type(variables).__name__}; it should be a dictionary of names and strings."]
    return [problem for name, value in variables.items() if (problem := environment_problem(name, value))]


def _problems_of_hooks(hooks: Mapping[str, str]) -> list[str]:
    return [
        f"app_hooks has {name!r}; the moments are {', '.join(HOOKS)}." for name in hooks if name not in HOOKS
    ]
