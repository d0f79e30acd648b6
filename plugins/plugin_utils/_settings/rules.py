# PRIVATE to the collection: a rule for each setting that an argument spec does not say enough of.
from __future__ import annotations

from ansible_collections.greenroom.django.plugins.module_utils._database import DATABASES
from ansible_collections.greenroom.django.plugins.module_utils._registry import in_words
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES
from ansible_collections.greenroom.django.plugins.module_utils._web_server import WEB_SERVERS
from ansible_collections.greenroom.django.plugins.plugin_utils._calendar import is_calendar_time
from ansible_collections.greenroom.django.plugins.plugin_utils._settings.checks import (
    Check,
    between,
    is_boolean,
    is_command,
    is_domain,
    is_dotted_name,
    is_folder_of_an_app,
    is_host_key,
    is_inside,
    is_memory,
    is_one_line,
    is_python_file,
    is_repository,
    is_rev,
    is_url_path,
    is_user,
    matches,
    matches_text,
    one_of,
    or_empty,
)

# Another would be passed over with no more than a warning, and there would be no limit.
_MEMORY = (
    "infinity, a size such as 512M or 2G, 8M at least, or a percentage such as 40%",
    is_memory,
)

_VERSION = ("a version, such as 1.2.3", matches(r"[0-9]+(\.[0-9A-Za-z]+)*"))
_A_DAY = 86400
_OPEN_FILES = 2**20  # Linux lets no process have more, unless fs.nr_open was raised

# Setting: what it should be in words, and whether a value is that.
RULES: dict[str, tuple[str, Check]] = {
    "app_name": (
        "up to 24 lower-case letters, digits and hyphens, starting with a letter",
        matches(r"[a-z][a-z0-9-]{0,23}"),
    ),
    "app_repository": (
        "git@host:path, ssh://…, https://… without a password in it, or an absolute path on the "
        "host",
        is_repository,
    ),
    "app_port": ("the number of a port, 1 to 65535", between(1, 65535)),
    "app_branch": ("the name of a branch or bookmark", is_rev),
    "rev": (
        "the name of a branch, bookmark, tag or commit, or the number of a release",
        or_empty(is_rev),
    ),
    "merge": ("the name of a branch or bookmark", is_rev),
    "checkout_controller_repository": (
        "git@host:path, ssh://…, https://… without a password in it, an absolute path on this "
        "machine, or empty",
        or_empty(is_repository),
    ),
    "wait": ("a number of seconds, 0 to 86400", between(0, 86400)),
    "app_functional_tests": (
        "a command, with its quotes in pairs, or empty",
        or_empty(is_command),
    ),
    # Less than the lock lasts without a sign of life, so that nobody else deploys meanwhile.
    "app_functional_tests_timeout": ("a number of seconds, 1 to 3500", between(1, 3500)),
    "app_url": (
        "https://… or http://…, without a path, or empty",
        or_empty(matches(r"https?://[A-Za-z0-9.:\[\]-]+")),
    ),
    "app_manage": (
        "a path inside the tree that ends in .py",
        is_python_file,
    ),
    "app_settings_module": ("a dotted name of a module, or empty", or_empty(is_dotted_name)),
    "app_local_settings": (
        "a path inside the tree that ends in .py, or empty",
        or_empty(is_python_file),
    ),
    "app_wsgi": (
        "module:callable, or empty",
        or_empty(matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\(\))?")),
    ),
    "app_requirements": ("a path inside the tree, or empty", or_empty(is_inside)),
    "app_python": ("the name or path of a Python", matches(r"(/[A-Za-z0-9._/-]+/)?python[0-9.]*")),
    "app_gunicorn": (
        "a requirement on gunicorn, such as gunicorn==23.0.0",
        matches(r"gunicorn([=<>~!]=?\w[\w.,=<>~!*]*)?"),
    ),
    "app_static_url": ("a path that begins and ends with a slash", is_url_path),
    "app_media_url": ("a path that begins and ends with a slash", is_url_path),
    "app_media_path": (
        "one of app_shared_paths that ends in a slash, or empty",
        or_empty(lambda v: is_inside(v) and str(v).endswith("/")),
    ),
    "app_health_path": ("a path that begins with a slash", matches(r"/[!-~]*")),
    "app_health_status": ("an HTTP status, 200 to 599", between(200, 599)),
    "app_health_timeout": ("a number of seconds, 1 at least", between(1)),
    "app_build_timeout": ("a number of seconds, 1 at least", between(1)),
    "app_migrate_timeout": ("a number of seconds, 1 at least", between(1)),
    "migrations": ("auto, keep or reverse", one_of("auto", "keep", "reverse")),
    "migration": (
        "a migration to go to, such as shows.0007 or shows.zero",
        or_empty(matches(r"[A-Za-z_]\w*\.\w+")),
    ),
    "allow_database_ahead": ("yes or no", is_boolean),
    "allow_backwards_incompatible": ("yes or no", is_boolean),
    "allow_untested": ("yes or no", is_boolean),
    "allow_live": ("yes or no", is_boolean),
    "restore_database": ("yes or no", is_boolean),
    "push_branch": ("the name of a branch or bookmark", is_rev),
    "push_max_size": ("a number of MiB, 1 at least", between(1)),
    "push_timeout": ("a number of seconds, 1 at least", between(1)),
    "app_serial": (
        "how many hosts hand over at once: a number, 1 at least, or 1% to 100%",
        matches_text(r"[1-9][0-9]{0,5}|([1-9][0-9]?|100)%"),
    ),
    "app_keep_releases": ("2 or more", between(2)),
    "app_keep_snapshots": ("1 or more", between(1)),
    "app_keep_snapshots_days": ("1 or more", between(1)),
    "app_backup_at": (
        "a time as in OnCalendar, such as daily or *-*-* 03:30:00, or empty",
        or_empty(lambda v: isinstance(v, str) and is_one_line(v) and is_calendar_time(v)),
    ),
    "app_free_space": ("a number of MiB, 0 at least", between(0)),
    "app_free_inodes": ("a number, 0 at least", between(0)),
    "app_database": (in_words(DATABASES), one_of(*DATABASES)),
    "app_source_control": (in_words(SOURCES), one_of(*SOURCES)),
    "app_service_manager": (in_words(MANAGERS), one_of(*MANAGERS)),
    "app_web_server": (in_words(WEB_SERVERS), one_of(*WEB_SERVERS)),
    "web_server_client_max_body_size": (
        "a number of bytes, or such as 512k, 20m or 1g",
        matches_text(r"[0-9]{1,15}|[0-9]{1,9}[kKmMgG]"),
    ),
    "gunicorn_memory_max": _MEMORY,
    "app_build_memory_max": _MEMORY,
    "gunicorn_workers": ("a number, 1 to 1000", between(1, 1000)),
    "gunicorn_threads": ("a number, 1 to 1000", between(1, 1000)),
    "gunicorn_timeout": ("a number of seconds, 0 to 86400", between(0, _A_DAY)),
    "gunicorn_drain": ("a number of seconds, 0 to 3600", between(0, 3600)),
    "gunicorn_graceful_timeout": ("a number of seconds, 1 to 86400", between(1, _A_DAY)),
    "gunicorn_max_requests": ("a number, 0 at least", between(0)),
    "gunicorn_open_files": ("a number, 64 to 1048576", between(64, _OPEN_FILES)),
    "checkout_timeout": ("a number of seconds, 1 to 86400", between(1, _A_DAY)),
    "web_server_proxy_timeout": ("a number of seconds, 1 to 86400", between(1, _A_DAY)),
    "web_server_retry_after": ("a number of seconds, 0 to 86400", between(0, _A_DAY)),
    # A web server takes no more.
    "web_server_connections_per_address": ("a number, 0 to 65535", between(0, 65535)),
    "web_server_user": ("the name of a user, and not root", is_user),
    "balancer_timeout": ("a number of seconds, 1 to 86400", between(1, _A_DAY)),
    "balancer_connections_per_address": ("a number, 0 at least", between(0)),
    "virtualenv_uv_version": _VERSION,
    "virtualenv_linter_version": _VERSION,
    "drop_replaced": ("yes or no", is_boolean),
}

# The same for each item of a list.
RULES_OF_ITEMS: dict[str, tuple[str, Check]] = {
    "app_domains": (
        "names such as www.example.com, *.example.com or .example.com, or IP addresses",
        is_domain,
    ),
    "app_shared_paths": ("paths inside the tree", is_inside),
    "app_databases": ("names of databases in the settings", matches(r"[A-Za-z_]\w*")),
    "checkout_known_hosts": ("lines as ssh-keyscan prints them", is_host_key),
    "gunicorn_writable_paths": (
        "whole paths of folders such as /var/lib/blog, none of the system's, none with a space",
        is_folder_of_an_app,
    ),
    "app_system_packages": ("names of Debian packages", matches(r"[a-z0-9][a-z0-9+.:-]+")),
    "push_keys": (
        "public keys, each as in ~/.ssh/id_ed25519.pub",
        matches(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\x00-\x1f]*)?"),
    ),
    "app_commands_before_collectstatic": ("commands, with their quotes in pairs", is_command),
    "app_commands_after_collectstatic": ("commands, with their quotes in pairs", is_command),
}
