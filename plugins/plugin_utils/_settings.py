# PRIVATE to the collection: what the settings of an app must look like.
from __future__ import annotations

import ast
import ipaddress
import os
import posixpath
import re
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE
from ansible_collections.greenroom.django.plugins.module_utils._environment import (
    environment_problem,
    kind_of,
)
from ansible_collections.greenroom.django.plugins.module_utils._register import in_words
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS
from ansible_collections.greenroom.django.plugins.module_utils._service.mod_wsgi import (
    OPEN_FILES,
)
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES
from ansible_collections.greenroom.django.plugins.module_utils._web_server import WEB_SERVERS
from ansible_collections.greenroom.django.plugins.plugin_utils._cron import cron_time
from ansible_collections.greenroom.django.plugins.plugin_utils._functional_tests import is_there

HOOKS = (
    "before_build",
    "after_build",
    "before_migrate",
    "after_migrate",
    "before_handover",
    "after_handover",
    "anonymise",
    "leave_balancer",
    "join_balancer",
)

Check = Callable[[Any], bool]


def _matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and bool(compiled.fullmatch(value))


def _matches_text(pattern: str) -> Check:
    """The same for a value that may have come as a number."""
    return lambda value: bool(re.fullmatch(pattern, str(value)))


def _is_rev(value: Any) -> bool:
    """A name that git takes for a branch, tag or commit (git-check-ref-format), and no option."""
    text = str(value)
    return bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/+@#=-]*", text)) and not re.search(
        r"\.\.|//|@\{|/$|\.lock$", text
    )


def _is_repository(value: Any) -> bool:
    """A path, an address of ssh or http(s), or git@host:path; no secret, no other transport."""
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
    """A path that stays in the tree: relative, no way up, of characters that need no quoting."""
    text = str(value)
    return bool(re.fullmatch(r"[A-Za-z0-9._@+/-]+", text)) and not (
        text.startswith(("/", "-")) or ".." in text.split("/") or posixpath.normpath(text) == "."
    )


def _is_python_file(value: Any) -> bool:
    return _is_inside(value) and str(value).endswith(".py")


def _or_empty(check: Check) -> Check:
    return lambda value: value == "" or check(value)


def _between(least: int, most: int = 2**31) -> Check:
    """Whether a value is a whole number in that range; from the command line it comes as text."""
    return lambda value: (
        bool(re.fullmatch(r"[0-9]{1,9}", str(value))) and least <= int(value) <= most
    )


def _one_of(*words: str) -> Check:
    return lambda value: value in words


def _is_boolean(value: Any) -> bool:
    """What Ansible takes for yes or no; from the command line it comes as text."""
    return str(value).lower() in {str(word) for word in BOOLEANS_TRUE | BOOLEANS_FALSE}


def _is_command(value: Any) -> bool:
    """What can be split into words as a shell would."""
    try:
        return bool(shlex.split(str(value)))
    except ValueError:
        return False


_host = _matches(r"(\*?\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\]")
_url_path = _matches(r"/((?!\.{1,2}/)[A-Za-z0-9._~-]+/)+")
_dotted = _matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

# systemd would pass over another with no more than a warning, and have no limit.
_MEMORY = (
    "infinity, a number of bytes such as 512M or 2G, or a percentage such as 40%",
    _matches_text(r"infinity|[1-9][0-9]*(\.[0-9]+)?[KMGT]?|[1-9][0-9]?%|100%"),
)

# Setting: what it should be in words, and whether a value is that.
RULES: dict[str, tuple[str, Check]] = {
    "app_name": (
        "up to 24 lower-case letters, digits and hyphens, starting with a letter",
        _matches(r"[a-z][a-z0-9-]{0,23}"),
    ),
    "app_repository": (
        "git@host:path, ssh://…, https://… without a password in it, or an absolute path on the "
        "host",
        _is_repository,
    ),
    "app_port": ("the number of a port, 1 to 65535", _between(1, 65535)),
    "app_branch": ("the name of a branch or bookmark", _is_rev),
    "rev": (
        "the name of a branch, bookmark, tag or commit, or the number of a release",
        _or_empty(_is_rev),
    ),
    "merge": ("the name of a branch or bookmark", _is_rev),
    "checkout_controller_repository": (
        "git@host:path, ssh://…, https://… without a password in it, an absolute path on this "
        "machine, or empty",
        _or_empty(_is_repository),
    ),
    "wait": ("a number of seconds, 0 to 86400", _between(0, 86400)),
    "gate": ("open, or not set", _one_of("open")),
    "app_functional_tests": (
        "a command, with its quotes in pairs, or empty",
        _or_empty(_is_command),
    ),
    # Less than the lock lasts without a sign of life, so that nobody else deploys meanwhile.
    "app_functional_tests_timeout": ("a number of seconds, 1 to 3500", _between(1, 3500)),
    "app_url": (
        "https://… or http://…, without a path, or empty",
        _or_empty(_matches(r"https?://[A-Za-z0-9.:\[\]-]+")),
    ),
    "app_manage": (
        "a path inside the tree that ends in .py",
        _is_python_file,
    ),
    "app_settings_module": ("a dotted name of a module, or empty", _or_empty(_dotted)),
    "app_local_settings": (
        "a path inside the tree that ends in .py, or empty",
        _or_empty(_is_python_file),
    ),
    "app_wsgi": (
        "module:callable, or empty",
        _or_empty(_matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\(\))?")),
    ),
    "app_requirements": ("a path inside the tree, or empty", _or_empty(_is_inside)),
    "app_python": ("the name or path of a Python", _matches(r"(/[A-Za-z0-9._/-]+/)?python[0-9.]*")),
    "app_gunicorn": (
        "a requirement on gunicorn, such as gunicorn==23.0.0",
        _matches(r"gunicorn([=<>~!]=?\w[\w.,=<>~!*]*)?"),
    ),
    "app_static_url": ("a path that begins and ends with a slash", _url_path),
    "app_media_url": ("a path that begins and ends with a slash", _url_path),
    "app_media_path": (
        "one of app_shared_paths that ends in a slash, or empty",
        _or_empty(lambda v: _is_inside(v) and str(v).endswith("/")),
    ),
    "app_health_path": ("a path that begins with a slash", _matches(r"/[!-~]*")),
    "app_health_status": ("an HTTP status, 200 to 599", _between(200, 599)),
    "app_health_timeout": ("a number of seconds, 1 at least", _between(1)),
    "app_build_timeout": ("a number of seconds, 1 at least", _between(1)),
    "app_migrate_timeout": ("a number of seconds, 1 at least", _between(1)),
    "migrations": ("auto, keep or reverse", _one_of("auto", "keep", "reverse")),
    "migration": (
        "a migration to go to, such as shows.0007 or shows.zero",
        _or_empty(_matches(r"[A-Za-z_]\w*\.\w+")),
    ),
    "allow_database_ahead": ("yes or no", _is_boolean),
    "allow_backwards_incompatible": ("yes or no", _is_boolean),
    "push_branch": ("the name of a branch or bookmark", _is_rev),
    "push_max_size": ("a number of MiB, 1 at least", _between(1)),
    "push_timeout": ("a number of seconds, 1 at least", _between(1)),
    "app_serial": (
        "how many hosts take the stage at once: a number, 1 at least, or 1% to 100%",
        _matches_text(r"[1-9][0-9]{0,5}|([1-9][0-9]?|100)%"),
    ),
    "app_keep_releases": ("2 or more", _between(2)),
    "app_keep_snapshots": ("1 or more", _between(1)),
    "app_keep_snapshots_days": ("1 or more", _between(1)),
    "app_backup_at": (
        "a time as in OnCalendar of systemd.time(7), such as daily or *-*-* 03:30:00, or empty",
        _matches(r"[A-Za-z0-9 *.,:/~_+-]{0,100}"),
    ),
    "app_free_space": ("a number of MiB, 0 at least", _between(0)),
    "app_free_inodes": ("a number, 0 at least", _between(0)),
    "app_source_control": (in_words(SOURCES), _one_of(*SOURCES)),
    "app_service_manager": (in_words(MANAGERS), _one_of(*MANAGERS)),
    "app_web_server": (in_words(WEB_SERVERS), _one_of(*WEB_SERVERS)),
    "web_server_client_max_body_size": (
        "a number of bytes, or such as 512k, 20m or 1g",
        _matches_text(r"[0-9]{1,12}[kKmMgG]?"),
    ),
    "gunicorn_memory_max": _MEMORY,
    "app_build_memory_max": _MEMORY,
    "web_server_connections_per_address": ("a number, 0 at least", _between(0)),
    "balancer_connections_per_address": ("a number, 0 at least", _between(0)),
}

# The same for each item of a list.
RULES_OF_ITEMS: dict[str, tuple[str, Check]] = {
    "app_domains": ("names of hosts", _host),
    "app_shared_paths": ("paths inside the tree", _is_inside),
    "app_databases": ("names of databases in the settings", _matches(r"[A-Za-z_]\w*")),
    "app_system_packages": ("names of Debian packages", _matches(r"[a-z0-9][a-z0-9+.:-]+")),
    "push_keys": (
        "public keys, each as in ~/.ssh/id_ed25519.pub",
        _matches(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\x00-\x1f]*)?"),
    ),
    "app_commands_before_collectstatic": ("commands, with their quotes in pairs", _is_command),
    "app_commands_after_collectstatic": ("commands, with their quotes in pairs", _is_command),
}

# The same for what is in each of app_smoke_pages.
RULES_OF_PAGES: dict[str, tuple[str, Check]] = {
    "path": ("a path that begins with a slash", _matches(r"/[!-~]*")),
    "url": ("https://… or http://…", _matches(r"https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?")),
    "status": ("an HTTP status, 200 to 599", _between(200, 599)),
    "contains": ("a text", lambda value: isinstance(value, str)),
    "headers": (
        "a dictionary of texts",
        lambda value: (
            isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())
        ),
    ),
    "green_room": ("yes or no", _is_boolean),
}

# What settings were called while there was one web server. (Two more had names that other people's
# roles for nginx use, too.)
RENAMED = {
    f"nginx_{name}": f"web_server_{name}"
    for name in ("proxy_timeout", "serve_static", "retry_after", "extra")
}

# All that problems() looks at.
NAMES = [
    *RULES,
    *RULES_OF_ITEMS,
    *RENAMED,
    "app_env",
    "app_environment",
    "app_hooks",
    "inventory_dir",
    "release_action",
    "gunicorn_open_files",
]


def problems(
    settings: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]] | None = None
) -> list[str]:
    """What is wrong with the settings, a sentence each; none where all is well.

    A sentence has the setting's name, what it is and what it should be; of a secret, never a value.
    ``options`` are those of the roles' argument specs: what is required, types and choices.
    """
    mistyped = _problems_of_types(settings, options or {})
    settings = {name: value for name, value in settings.items() if name not in mistyped}
    found = list(mistyped.values())
    for name, (should, is_right) in RULES.items():
        if name in settings and not is_right(settings[name]):
            found.append(f"{name} is {_shown(settings[name])}; it should be {should}.")
    for name, (should, is_right) in RULES_OF_ITEMS.items():
        items = settings.get(name, [])
        if not _is_of_type["list"](items):
            found.append(f"{name} is {str(items)!r}; it should be a list of {should}.")
            continue
        wrong = [item for item in items if not is_right(item)]
        if wrong:
            found.append(
                f"{name} has {', '.join(_shown(item) for item in wrong)}; "
                f"it should be a list of {should}."
            )
    if settings.get("push_keys") == []:
        found.append(
            "push_keys is empty, and you have no key of your own in ~/.ssh; it should be a list of "
            f"{RULES_OF_ITEMS['push_keys'][0]}."
        )
    found += [
        f"{name} is {_shown(settings[name])}; it should be called {now}."
        for name, now in RENAMED.items()
        if name in settings
    ]
    if settings.get("app_domains") == []:
        found.append("app_domains is empty; it should have the site's names, the main one first.")
    found += _problems_of_shared_paths(settings)
    media = settings.get("app_media_path")
    if media and _is_inside(media) and media not in settings.get("app_shared_paths", [media]):
        found.append(
            f"app_media_path is {media!r}; it should be one of app_shared_paths, or empty."
        )
    return (
        found
        + _problems_of_addresses_for_hg(settings)
        + _problems_of_words(settings)
        + _problems_of_merge(settings)
        + _problems_of_cron(settings)
        + _problems_of_mod_wsgi(settings)
        + _problems_of_functional_tests(settings)
        + _problems_of_pages(settings.get("app_smoke_pages", []))
        + _problems_of_local_settings(settings)
        + _problems_of_environment(settings.get("app_env", {}))
        + _problems_of_hooks(settings.get("app_hooks", {}), settings.get("inventory_dir"))
    )


def _shown(value: Any) -> str:
    """A wrong value for a message; a private key, or a password in an address, is left out."""
    if "PRIVATE KEY" in str(value):
        return "a private key"
    return repr(re.sub(r"//[^/@]*:[^/@]*@", "//…@", str(value)))


# What PostgreSQL, or its package, has for itself.
_OF_POSTGRESQL = ("postgres", "postgresql", "template0", "template1", "public", "none")


def problems_of_database(
    app_name: str, hosts: Sequence[str], database: Sequence[str], addresses: Mapping[str, str]
) -> list[str]:
    """What is wrong with where an app's PostgreSQL would be, a sentence each.

    ``hosts`` are those of the environment, ``database`` those of the group of that name, and
    ``addresses`` what is known of all of them.
    """
    if app_name in _OF_POSTGRESQL:
        return [
            f"app_name is {app_name!r}, which PostgreSQL has for itself; choose another name, or "
            "leave app_database at sqlite."
        ]
    if len(database) > 1:
        return [
            f"The group database has {', '.join(database)}; it should be the one host that "
            "PostgreSQL runs on."
        ]
    if not database:
        return (
            []
            if len(hosts) < 2
            else [
                f"app_database is 'postgresql', and {', '.join(hosts)} need one database: name its "
                "host in the inventory, in a group database. It may be one of them."
            ]
        )
    if set(hosts) <= set(database):
        return []  # it is reached on localhost
    return _problems_of_addresses(
        [*hosts, *database], addresses, "a database on a host of its own", "database_address"
    )


def problems_of_balancer(
    hosts: Sequence[str], balancers: Sequence[str], addresses: Mapping[str, str]
) -> list[str]:
    """What is wrong with the balancer in front of an app's hosts, a sentence each.

    The arguments are those of problems_of_database().
    """
    if not balancers:
        return []
    both = [host for host in balancers if host in hosts]
    if both:
        return [
            f"The group balancer has {', '.join(both)}, of the hosts that it is to be in front of, "
            "and one port cannot be both; it should have hosts of its own."
        ]
    return [
        f"The inventory has {host!r}, which HAProxy cannot call a host; a name should be of "
        "letters, digits, dots, hyphens and underscores."
        for host in hosts
        if not re.fullmatch(r"[A-Za-z0-9._-]+", host)
    ] + _problems_of_addresses([*hosts, *balancers], addresses, "a balancer", "balancer_address")


def problems_of_push(hosts: Sequence[str], balancers: Sequence[str]) -> list[str]:
    """What is wrong with where a push would be a deploy: a host can deploy to itself alone.

    The arguments are those of problems_of_balancer().
    """
    if len(hosts) == 1 and not balancers:
        return []
    return [
        f"The inventory has {', '.join([*hosts, *balancers])}, and a host that is pushed to "
        "deploys to itself alone; it should have one host. For several: deploy.yml, from your "
        "machine."
    ]


def _problems_of_addresses(
    hosts: Sequence[str], addresses: Mapping[str, str], where: str, setting: str
) -> list[str]:
    """Which hosts would not be found in the network between them."""
    return [
        f"The address of {host} is {addresses[host]!r}; with {where} it "
        f"should be an IP address: set {setting} of {host} in the inventory."
        for host in dict.fromkeys(hosts)
        if not _is_address(addresses[host])
    ]


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return "%" not in value  # of one network card, and so of one host


_is_of_type: dict[str, Check] = {
    "str": lambda value: isinstance(value, (str, int, float)),
    "int": lambda value: bool(re.fullmatch(r"-?[0-9]+", str(value))),
    "bool": _is_boolean,
    "list": lambda value: isinstance(value, Sequence) and not isinstance(value, str),
    "dict": lambda value: isinstance(value, Mapping),
}
_type_in_words = {
    "str": "a string",
    "int": "a whole number",
    "bool": "yes or no",
    "list": "a list",
    "dict": "a dictionary",
}


def _problems_of_types(
    settings: Mapping[str, Any], options: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """What an argument spec finds wrong, by the setting's name."""
    found = {}
    for name, option in options.items():
        if name not in settings:
            if option.get("required"):
                should = RULES.get(name, RULES_OF_ITEMS.get(name, ("set",)))[0]
                found[name] = f"{name} is not set; it should be {should}."
            continue
        value, kind = settings[name], option.get("type", "str")
        if "choices" in option and kind == "str":
            is_right, should = value in option["choices"], " or ".join(option["choices"])
        else:
            # A value of any kind ("raw") is looked at by rules of its own.
            is_right = _is_of_type.get(kind, lambda _: True)(value)
            should = RULES[name][0] if name in RULES else _type_in_words.get(kind, kind)
        if not is_right:
            what = f"of type {kind_of(value)}" if option.get("no_log") else _shown(value)
            found[name] = f"{name} is {what}; it should be {should}."
    return found


def _problems_of_shared_paths(settings: Mapping[str, Any]) -> list[str]:
    """What cannot outlive a release: the code, what Greenroom adds, and one path in another."""
    paths = settings.get("app_shared_paths", [])
    if not _is_of_type["list"](paths):
        return []
    names = [posixpath.normpath(str(path)) for path in paths if _is_inside(path)]
    own = (
        ".greenroom",
        ".venv",
        posixpath.normpath(str(settings.get("app_manage", "manage.py"))),
        posixpath.normpath(str(settings.get("app_local_settings") or "manage.py")),
    )
    return [
        f"app_shared_paths has {name!r}, which is the release's own."
        for name in names
        if name.split("/")[0] in own or any(f"{path}/".startswith(f"{name}/") for path in own[2:])
    ] + [
        f"app_shared_paths has {name!r} twice, or within another of its paths."
        for index, name in enumerate(names)
        if any(f"{name}/".startswith(f"{other}/") for other in names[:index] + names[index + 1 :])
    ]


def _problems_of_pages(pages: Any) -> list[str]:
    """What is wrong with the pages to try."""
    found = []
    for page in pages if _is_of_type["list"](pages) else [pages]:
        if not isinstance(page, Mapping) or ("path" in page) == ("url" in page):
            found.append(
                f"app_smoke_pages has {page!r}; each should be a dictionary with a path or a url."
            )
            continue
        for name, value in page.items():
            if name not in RULES_OF_PAGES:
                known = ", ".join(RULES_OF_PAGES)
                found.append(f"app_smoke_pages has a page with {name!r}; there are {known}.")
            elif not RULES_OF_PAGES[name][1](value):
                should = RULES_OF_PAGES[name][0]
                found.append(
                    f"app_smoke_pages has a page whose {name} is {value!r}; it should be {should}."
                )
    return found


def problem_of_template(path: str, said: str) -> str:
    """Why the template of the local settings cannot be read, and where; ``said`` is Ansible's."""
    if not os.path.isfile(path):
        return (
            f"app_local_settings_template is {path!r}; it should be a file, by its whole path or "
            "as seen from the folder of the inventory."
        )
    quoted = re.findall(r"'(\w+)'", said)  # the name that is undefined, most often
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [
            number
            for number, line in enumerate(file, 1)
            if quoted and re.search(rf"\b{quoted[-1]}\b", line)
        ]
    where = f"{path}, line {lines[0]}" if lines else path
    return f"app_local_settings_template cannot be read: {said} ({where})"


def _problems_of_local_settings(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with where they go, and with what was made of their template."""
    path = str(settings.get("app_local_settings") or "")
    if not _is_python_file(path):
        return []
    found = []
    if str(settings.get("app_install_project")).lower() in {str(true) for true in BOOLEANS_TRUE}:
        found.append(
            f"app_local_settings is {path!r}, and app_install_project would install that file for "
            "all releases; give one of them."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(str(settings.get("app_local_settings_content", "")))
    except (SyntaxError, ValueError) as error:  # never with the line itself: it may be a secret
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        found.append(f"app_local_settings_template makes no Python: {what}{line} of {path}.")
    return found


# Words of the command line that only some playbooks know, and what the others would make of them.
_PLAYBOOKS = {
    "merge": (["deploy"], "deploy.yml merges a branch"),
    "rev": (["deploy", "rollback"], "deploy.yml and rollback.yml go to one"),
    "gate": (["deploy", "promote"], "deploy.yml and promote.yml pass it"),
}


def _problems_of_words(settings: Mapping[str, Any]) -> list[str]:
    """A word that this playbook would not listen to: who gives one means it."""
    action = settings.get("release_action")
    return [
        f"{name} is {str(settings[name])!r}, and {action}.yml takes none; {who}."
        for name, (actions, who) in _PLAYBOOKS.items()
        if action and settings.get(name) and action not in actions
    ]


def _problems_of_functional_tests(settings: Mapping[str, Any]) -> list[str]:
    """What would keep the user's tests from being run, after a deploy of staging."""
    command = str(settings.get("app_functional_tests") or "")
    if settings.get("release_action") == "functional_tests":
        if settings.get("app_environment") != "staging":
            return [
                "Functional tests write what they like, so they run on staging; this is live. Give "
                "the other inventory: -i inventories/staging"
            ]
        if not command:
            return ["app_functional_tests is empty; it should be the command that runs your tests."]
    if settings.get("app_environment") != "staging" or not command or not _is_command(command):
        return []
    found = _problems_of_reach(settings, "app_functional_tests needs")
    if not is_there(command):
        found.append(
            f"app_functional_tests is {command!r}, and {shlex.split(command)[0]} is no program of "
            "this machine, where the tests run."
        )
    return found


def _problems_of_reach(settings: Mapping[str, Any], needs: str) -> list[str]:
    """Whether the controller can reach the repository; what ``needs`` to."""
    repository = str(settings.get("app_repository"))
    if settings.get("checkout_controller_repository") or not re.match("/|file:", repository):
        return []
    path = repository.removeprefix("file://")
    if settings.get("app_source_control") == "hg":
        path = f"/{path}"  # with one slash it would be seen from the home of who logs in
    return [
        f"app_repository is {repository!r}, a path on the host, and {needs} to reach it from this "
        f"machine: set checkout_controller_repository, such as ssh://you@host{path}."
    ]


def _problems_of_addresses_for_hg(settings: Mapping[str, Any]) -> list[str]:
    """Addresses that only git knows: to Mercurial they would be paths."""
    if settings.get("app_source_control") != "hg":
        return []
    found = []
    for name in ("app_repository", "checkout_controller_repository"):
        short = re.fullmatch(r"([^/:]+@[^/:]+):(.+)", str(settings.get(name)))
        if short:
            where, path = short.groups()
            found.append(
                f"{name} is {str(settings[name])!r}, which is no address to Mercurial; it should "
                f"be ssh://{where}/{path}"
            )
    return found


def _problems_of_merge(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the wish to merge a branch first, with -e merge=NAME."""
    if "merge" not in settings or not _is_rev(settings["merge"]):
        return []
    branch, into = str(settings["merge"]), str(settings.get("app_branch"))
    found = []
    if settings.get("rev"):
        found.append(
            f"merge is {branch!r}, and rev is {str(settings['rev'])!r}; give one of them: what is "
            f"deployed is {into} with the branch in it."
        )
    if branch == into:
        found.append(
            f"merge is {branch!r}, which is the branch of this environment itself; it should be "
            "another one."
        )
    if (
        settings.get("app_environment") == "live"
        and settings.get("app_functional_tests")
        and settings.get("gate") != "open"
    ):
        found.append(
            f"merge is {branch!r}, and live takes only what has passed its functional tests on "
            "staging, which a new merge cannot have: merge it there, and then promote.yml. To "
            "merge it here all the same: -e gate=open"
        )
    return found + _problems_of_reach(settings, "merge needs")


def _problems_of_cron(settings: Mapping[str, Any]) -> list[str]:
    """A time for the backups that a host without systemd cannot keep."""
    at = str(settings.get("app_backup_at") or "")
    if settings.get("app_service_manager") != "upstart" or not at or cron_time(at):
        return []
    return [
        f"app_backup_at is {at!r}, which cron does not know, and where upstart runs there are no "
        "timers of systemd; it should be hourly, daily, weekly, monthly, or such as *-*-* 03:30:00 "
        "or Mon..Fri 22:00"
    ]


def _problems_of_mod_wsgi(settings: Mapping[str, Any]) -> list[str]:
    """Apache runs the releases itself, or it does not; and it has one Python."""
    server, manager = settings.get("app_web_server"), settings.get("app_service_manager")
    if server is None or manager is None:
        return []
    if server == "apache" and manager != "mod_wsgi":
        return [
            "app_web_server is 'apache', which runs releases by mod_wsgi, and app_service_manager "
            f"is {manager!r}; leave that out, or set app_web_server to apache_proxy."
        ]
    if manager == "mod_wsgi" and server != "apache":
        return [
            "app_service_manager is 'mod_wsgi', which is a part of Apache's, and app_web_server "
            f"is {server!r}; it should be apache."
        ]
    python = settings.get("app_python", "python3")
    if server == "apache" and python != "python3":
        return [
            f"app_python is {python!r}; with app_web_server apache it should be python3, since the "
            "mod_wsgi of the distribution has that one."
        ]
    files = settings.get("gunicorn_open_files", 0)
    if server == "apache" and int(files) > OPEN_FILES:
        return [
            f"gunicorn_open_files is {files}; with app_web_server apache it should be "
            f"{OPEN_FILES} at most, which is what Debian's Apache itself may have open."
        ]
    return []


def _problems_of_environment(variables: Any) -> list[str]:
    if not isinstance(variables, Mapping):
        return [
            f"app_env is of type {kind_of(variables)}; "
            "it should be a dictionary of names and strings."
        ]
    return [
        problem
        for name, value in variables.items()
        if (problem := environment_problem(name, value))
    ]


def _problems_of_hooks(hooks: Mapping[str, str], folder: str | None) -> list[str]:
    """``folder`` is that of the inventory; None where nothing is looked for on the disk."""
    return [
        f"app_hooks has {name!r}; the moments are {', '.join(HOOKS)}."
        for name in hooks
        if name not in HOOKS
    ] + [
        f"app_hooks.{name} is {path!r}; it should be a file with tasks, by its whole path or as "
        "seen from the folder of the inventory."
        for name, path in hooks.items()
        if folder is not None and not os.path.isfile(os.path.join(folder, str(path)))
    ]
