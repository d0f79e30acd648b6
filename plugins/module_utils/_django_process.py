# PRIVATE to the collection: the one Django start of a deploy.
#
# This file is not imported on the host: its text is given to the release's own Python, which runs
# it as the app's user, in the folder of manage.py. It does in one process what `manage.py
# collectstatic`, `check` and `showmigrations` would do in three, since a Django start is what these
# cost.
#
# Request (argv[1], JSON): steps, databases, tree, static_root (where to collect), static_url (where
# it will be served), wsgi, token, database (which kind site.yml made for the app), hosts (how many
# the app has), may_be_ahead (whether the databases may have had migrations that the release does
# not know), squashes (what releases on disk say of squashed migrations: {name: [replaced, ...]}),
# may_debug (whether DEBUG may be on), local_settings (a file in the tree that the
# settings should import, if any), connections (whether to tell how the databases are reached).
# Answer: a line on standard output, the token followed by JSON. Anything else is what the app
# printed. Python 3.8 and Django 3.2 are the oldest that it is written for.
from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any
from urllib.parse import unquote, urlsplit

# What follows manage.py where a person does the step. Many apps look at it, to stay off a database
# that may have no tables yet.
ARGUMENTS = {
    "collectstatic": ["collectstatic", "--noinput"],
    "check": ["check", "--deploy"],
    "migrate": ["migrate", "--noinput"],
}


class Arguments(list):  # type: ignore[type-arg]
    """The sys.argv of a step, which knows whether the settings or an app have looked at it."""

    def __init__(self, step: str) -> None:
        super().__init__(["manage.py", *ARGUMENTS[step]])
        self.looked_at = False

    def __contains__(self, value: object) -> bool:
        self.looked_at = True
        return super().__contains__(value)

    def __getitem__(self, index: Any) -> Any:
        self.looked_at = True
        return super().__getitem__(index)

    def __iter__(self) -> Any:
        self.looked_at = True
        return super().__iter__()

    def __len__(self) -> int:
        self.looked_at = True
        return super().__len__()


class RefusalError(Exception):
    """What stops a deploy, in a sentence that the user can act on."""


def main() -> None:
    """Do what is asked for, and answer."""
    request = json.loads(sys.argv[1])
    sys.path[0] = os.getcwd()  # as manage.py has it
    from django.conf import settings  # type: ignore[import-not-found]

    try:
        answer = rehearse(settings, request)
    except RefusalError as refusal:
        answer = {"refusal": str(refusal)}
    print(f"\n{request['token']}{json.dumps(answer)}")


def rehearse(settings: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Do the steps that were asked for, in their order; what was found and done, as a dict.

    Where migrations wait, ``migrate`` is the last that is done. So is the first step, where the
    settings or an app looked at sys.argv: what they made of it is for that step alone.
    """
    # Who asks only where the databases are is about to migrate or to take a snapshot.
    arguments = Arguments(request["steps"][0] if request["steps"] else "migrate")
    sys.argv = arguments
    import django  # type: ignore[import-not-found]

    django.setup()
    static_root = settings.STATIC_ROOT and os.path.abspath(settings.STATIC_ROOT)
    homes = [os.path.realpath(request["tree"]), os.path.realpath(sys.prefix)]
    kinds = request["kinds"]
    refuse_databases_that_do_not_outlive(settings, kinds, homes)
    refuse_settings_without_the_database(settings, kinds, request.get("database"))
    refuse_a_database_for_each_host(
        settings, kinds, request.get("databases", []), request.get("hosts", 1)
    )
    refuse_debug(settings, request.get("may_debug", True))
    answer = {
        "django": django.get_version(),
        "static_root": static_root or None,
        "static_app": "django.contrib.staticfiles" in settings.INSTALLED_APPS,
        "static_url": settings.STATIC_URL,
        "wsgi": request["wsgi"] or wsgi_of(settings),
        "debug": bool(settings.DEBUG),
    }
    if request.get("connections"):
        answer["connections"] = {
            alias: describe_connection(database, kinds)
            for alias, database in settings.DATABASES.items()
        }
    if request.get("local_settings"):
        answer["unread"] = unread(request["tree"], request["local_settings"])
    answer["done"] = []
    for step in request["steps"]:
        if answer["done"]:
            if arguments.looked_at:
                break
            arguments = Arguments(step)
            sys.argv = arguments
        if step == "collectstatic":
            answer["collected"] = collect(settings, static_root, request, homes)
            answer["unlisted"] = unlisted(static_root) if answer["collected"] is not None else []
        elif step == "check":
            answer["warnings"] = check(answer["wsgi"])
        elif step == "migrate":
            answer.update(look_at_migrations(request))
        answer["done"].append(step)
        if any(answer.get("waiting", {}).values()):
            break  # who puts a step after the migrations wants it to find them applied
    return answer


def wsgi_of(settings: Any) -> str:
    """The WSGI callable of the settings, as gunicorn writes it; Django's own where none is."""
    if settings.WSGI_APPLICATION:
        return ":".join(settings.WSGI_APPLICATION.rsplit(".", 1))
    return "django.core.wsgi:get_wsgi_application()"


def refuse_databases_that_do_not_outlive(
    settings: Any, kinds: dict[str, Any], homes: list[str]
) -> None:
    """A file that a release brings is an empty database at every deploy, and answers 200.

    ``homes`` are the release's tree and its virtualenv.
    """
    for alias, database in settings.DATABASES.items():
        path, label = file_of(database, kinds)
        if not path or not any(is_inside(path, home) for home in homes):
            continue
        if is_inside(path, homes[0]):
            inside = os.path.relpath(path, homes[0])
            raise RefusalError(
                f"The database {alias!r} is the {label} file {inside} inside the release's tree, "
                "so every release would start with an empty one. Make it outlive the release: "
                f"app_shared_paths: [..., {inside}]"
            )
        raise RefusalError(
            f"The database {alias!r} is the {label} file {path} inside the release's virtualenv, "
            "so every release would start with an empty one. Have the settings take its path from "
            "a variable of app_env, and set that to a file in the app's folder shared/."
        )


def refuse_settings_without_the_database(
    settings: Any, kinds: dict[str, Any], wanted: str | None
) -> None:
    """Settings that don't read where the database is go on with another, and nobody notices."""
    if wanted not in kinds or kinds[wanted]["is_file"]:
        return
    engines = [str(database.get("ENGINE", "")) for database in settings.DATABASES.values()]
    if not any(re.search(kinds[wanted]["engines"], engine) for engine in engines):
        files = " or ".join(name for name, kind in kinds.items() if kind["is_file"])
        raise RefusalError(
            f"app_database is {wanted!r}, and DATABASES of the settings has "
            f"{', '.join(engines)} instead. Have the settings read the variable DATABASE_URL, as "
            f"dj-database-url does, or leave app_database at {files}."
        )


def refuse_a_database_for_each_host(
    settings: Any, kinds: dict[str, Any], aliases: list[str], hosts: int
) -> None:
    """What a visitor writes on one host would not be there on the next, and nobody notices."""
    for alias in aliases if hosts > 1 else ():
        path, label = file_of(settings.DATABASES.get(alias, {}), kinds)
        if path:
            shared = " or ".join(name for name, kind in kinds.items() if not kind["is_file"])
            raise RefusalError(
                f"The database {alias!r} is the {label} file {path}, and this environment has "
                f"{hosts} hosts: each would have one of its own. They need one for all: "
                f"app_database: {shared}"
            )


def refuse_debug(settings: Any, may_debug: bool) -> None:
    """Where DEBUG is on, whoever causes an error is shown the code, and what its variables hold."""
    if settings.DEBUG and not may_debug:
        raise RefusalError(
            "DEBUG is on in the settings, and this is live: whoever causes an error there would be "
            "shown the code and its variables. Have the settings turn it off: DEBUG = False."
        )


def unread(tree: str, path: str) -> str:
    """The path of the local settings where no module was made of that file; else nothing."""
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    real = {os.path.realpath(file) for file in files if isinstance(file, str)}
    return "" if os.path.realpath(os.path.join(tree, path)) in real else path


def describe_connection(database: dict[str, Any], kinds: dict[str, Any]) -> dict[str, Any]:
    """How a database of the settings is reached, in words that JSON has: for its own tools."""
    path, _ = file_of(database, kinds)
    return {
        "engine": database.get("ENGINE", ""),
        "name": path or str(database.get("NAME") or ""),
        **{key: str(database.get(key.upper()) or "") for key in ("host", "port", "user")},
        "password": str(database.get("PASSWORD") or ""),
        "options": {
            key: value
            for key, value in (database.get("OPTIONS") or {}).items()
            if isinstance(value, (str, int))
        },
    }


def file_of(database: dict[str, Any], kinds: dict[str, Any]) -> tuple[str, str]:
    """The file that a database is, by its real path, and its kind; both empty where it is none."""
    name, engine = str(database.get("NAME") or ""), str(database.get("ENGINE", ""))
    files = [kind for kind in kinds.values() if kind["is_file"]]
    labels = [kind["label"] for kind in files if re.search(kind["engines"], engine)]
    if not labels or ":memory:" in name:
        return "", ""
    if name.startswith("file:"):
        uri = urlsplit(name)
        name = "" if "mode=memory" in uri.query else unquote(uri.path)
    return (os.path.realpath(name), labels[0]) if name else ("", "")


def is_inside(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or below it. Both are real paths."""
    return os.path.commonpath([path, folder]) == folder


def refuse_static_root_that_is_no_folder_of_its_own(static_root: str, homes: list[str]) -> None:
    """STATIC_ROOT is emptied, filled and shown to everybody, so nothing else may be in there.

    ``homes`` are the release's tree, which it should be inside of, and its virtualenv.
    """
    path = os.path.realpath(static_root)
    code = sorted(
        name
        for name, module in list(sys.modules.items() if os.path.isdir(path) else ())
        if isinstance(getattr(module, "__file__", None), str)
        and is_inside(os.path.realpath(module.__file__), path)  # type: ignore[arg-type, type-var]
    )
    if code:
        problem = f"the code is in there too, such as that of {code[0]}"
    elif is_inside(path, homes[1]):
        problem = (
            "that is inside the virtualenv, which is sealed when it is built. Beside an installed "
            'project, a relative one is inside the release: STATIC_ROOT = "staticfiles"'
        )
    elif not is_inside(path, homes[0]):
        problem = "that is outside the release's tree"
    else:
        return
    raise RefusalError(
        f"STATIC_ROOT is {static_root}, and {problem}. Each release needs a folder inside its tree "
        'for the static files that are collected, and for nothing else: such as BASE_DIR / "static'
        'files".'
    )


def refuse_static_url_that_nobody_serves(static_url: str | None, served: str) -> None:
    """Pages that link to files where the web server has none look broken, and answer 200.

    ``served`` is where the web server has them. A STATIC_URL on another host is not its affair.
    """
    path = static_url or served
    if path.startswith("/") and not path.startswith("//") and path != served:
        raise RefusalError(
            f"STATIC_URL is {path}, and the web server serves the static files below {served}. "
            f"Set app_static_url: {path} and run site.yml, which tells the web server."
        )


def collect(
    settings: Any, static_root: str | None, request: dict[str, Any], homes: list[str]
) -> str | None:
    """Collect the static files; None where the app has none to collect, else what Django said."""
    if not static_root or "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return None
    refuse_static_root_that_is_no_folder_of_its_own(static_root, homes)
    refuse_static_url_that_nobody_serves(settings.STATIC_URL, request["static_url"])
    if os.path.isdir(static_root) and not os.path.islink(static_root):
        # Files that the repository tracks below STATIC_ROOT are part of it.
        shutil.copytree(static_root, request["static_root"], symlinks=True, dirs_exist_ok=True)
    collect_into(settings, request["static_root"])
    return call("collectstatic", interactive=False)


def collect_into(settings: Any, folder: str) -> None:
    """Have the staticfiles storage be in ``folder``, from here to the end of this start.

    What is collected is linked to STATIC_ROOT only when all of it is there, so a step that comes
    after this one finds it here. Before this, settings and apps have what the project says.
    """
    from django.contrib.staticfiles.storage import (  # type: ignore[import-not-found]
        staticfiles_storage,
    )
    from django.core.files import storage  # type: ignore[import-not-found]
    from django.utils.functional import empty  # type: ignore[import-not-found]

    settings.STATIC_ROOT = folder
    # An app that has used the storage by now made it for the other folder.
    staticfiles_storage._wrapped = empty
    storages = getattr(storage, "storages", None)  # new in Django 4.2
    if storages is not None:
        storages._storages.pop("staticfiles", None)


def unlisted(static_root: str | None) -> list[str]:
    """The files below STATIC_ROOT of the tree that the manifest of a storage does not have.

    A page that names one with the tag ``static`` answers 500.
    """
    from django.contrib.staticfiles.storage import staticfiles_storage

    manifest = getattr(staticfiles_storage, "hashed_files", None)
    if not static_root or manifest is None or os.path.islink(static_root):
        return []
    listed = {*manifest, *manifest.values(), getattr(staticfiles_storage, "manifest_name", "")}
    found = [
        os.path.relpath(os.path.join(folder, name), static_root)
        for folder, _, names in os.walk(static_root)
        for name in names
    ]
    return sorted(name for name in found if name not in listed)


def check(wsgi: str) -> list[str]:
    """Run the system checks, those for deployment too, and import the WSGI callable.

    What comes back are the warnings, but for the one about DEBUG, of which more is to be said.
    """
    from django.core import checks  # type: ignore[import-not-found]

    found = checks.run_checks(include_deployment_checks=True)
    messages = [message for message in found if not message.is_silenced()]
    errors = [line_of(message) for message in messages if message.is_serious(checks.ERROR)]
    if errors:
        raise RefusalError("manage.py check --deploy found errors:\n" + "\n".join(errors))
    warnings = [
        line_of(message)
        for message in messages
        if message.is_serious(checks.WARNING) and message.id != "security.W018"
    ]
    expected = os.environ["DJANGO_SETTINGS_MODULE"]
    module = wsgi.partition(":")[0]
    try:
        __import__(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, and misses something itself
        raise RefusalError(
            f"There is no module {module}, which app_wsgi or WSGI_APPLICATION of the settings "
            "names. A project needs none of its own: "
            'app_wsgi: "django.core.wsgi:get_wsgi_application()"'
        ) from None
    if os.environ["DJANGO_SETTINGS_MODULE"] != expected:
        raise RefusalError(
            f"Importing {module} set DJANGO_SETTINGS_MODULE to "
            f"{os.environ['DJANGO_SETTINGS_MODULE']!r} where {expected!r} was meant. Use "
            "os.environ.setdefault() there, or don't use that file: "
            'app_wsgi: "django.core.wsgi:get_wsgi_application()"'
        )
    return warnings


def line_of(message: Any) -> str:
    """A message of the system checks in one line: `(security.W004) You have not set … HINT: …`."""
    return " ".join(re.sub(r"^\?: ", "", str(message)).split())


def refuse_a_database_that_is_none(alias: str, engine: str) -> None:
    """Where the settings name no engine, Django takes one that fails at the first question."""
    if engine == "django.db.backends.dummy":
        raise RefusalError(
            f"app_databases names {alias!r}, and DATABASES of the settings has no engine for it. "
            "An app without a database wants app_databases: []. One whose settings take it from a "
            "variable, such as DATABASE_URL, wants that in app_env."
        )


def look_at_migrations(request: dict[str, Any]) -> dict[str, Any]:
    """Which migrations wait, database after database, and which files the release has.

    Applied ones that the release does not have are refused: its code was never tried with them.
    Where none waits, a squashed one whose replaced ones are applied is recorded, as ``migrate``
    does it: their files may be gone in the next release.
    """
    from django.db import connections  # type: ignore[import-not-found]
    from django.db.migrations.executor import MigrationExecutor  # type: ignore[import-not-found]

    waiting, unknown = {}, set()
    files: set[str] = set()
    squashes: dict[str, list[str]] = dict(request.get("squashes", {}))
    for alias in request["databases"]:
        if alias not in connections:
            raise RefusalError(
                f"app_databases names {alias!r}; the settings have "
                f"{', '.join(sorted(connections))}."
            )
        refuse_a_database_that_is_none(alias, connections[alias].settings_dict["ENGINE"])
        executor = MigrationExecutor(connections[alias])
        loader = executor.loader
        for (app, name), migration in loader.disk_migrations.items():
            files.add(f"{app}.{name}")
            if migration.replaces:
                squashes[f"{app}.{name}"] = [f"{a}.{n}" for a, n in migration.replaces]
        files |= known_by_squashes(files, squashes)
        ahead = sorted(
            f"{app}.{name}"
            for app, name in executor.recorder.applied_migrations()
            if app in loader.migrated_apps and f"{app}.{name}" not in files
        )
        if ahead and not request["may_be_ahead"]:
            raise RefusalError(
                f"The database {alias!r} is ahead of this revision, which does not have "
                f"{', '.join(ahead)}. Deploy a revision that has it, or go to a release that has: "
                "rollback.yml -e rev=NUMBER (status.yml lists them). To reverse it first: "
                "rollback.yml -e migrations=reverse, and then deploy. Where this code is known to "
                "live with it: -e allow_database_ahead=true"
            )
        unknown.update(ahead)
        plan = executor.migration_plan(loader.graph.leaf_nodes())
        waiting[alias] = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
        if not plan and executor.recorder.has_table():
            executor.check_replacements()
    return {
        "waiting": waiting,
        "migrations": sorted(files),
        "ahead": sorted(unknown),
        "squashes": squashes,
    }


def known_by_squashes(files: set[str], squashes: dict[str, list[str]]) -> set[str]:
    """The migrations without a file that are the same as some that have one.

    A squashed one stands for those that it replaced, of which the rows stay in the database; and
    for older code, which has the files that it replaced, its own row is nothing new.
    """
    same = set()
    for squashed, replaced in squashes.items():
        if squashed in files:
            same.update(replaced)
        elif files.issuperset(replaced):
            same.add(squashed)
    return same


def call(command: str, **options: Any) -> str:
    """Call a management command; what it printed, without colours."""
    from django.core.management import call_command  # type: ignore[import-not-found]

    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        call_command(command, no_color=True, stdout=out, stderr=out, **options)
    return out.getvalue().strip()


if __name__ == "__main__":
    main()
