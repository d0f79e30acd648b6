# PRIVATE to the collection: the one Django start of a deploy.
#
# This file is not imported on the host: its text is given to the release's own Python, which runs it
# as the app's user, in the folder of manage.py. It does in one process what `manage.py collectstatic`,
# `check` and `migrate` would do in three, since a Django start is what these cost.
#
# Request (argv[1], JSON): steps, databases, tree, static_root (where to collect), wsgi, token.
# Answer: a line on standard output, the token followed by JSON. Anything else is what the app printed.
# Python 3.8 and Django 3.2 are the oldest that it is written for.
import io
import json
import os
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout


class Refusal(Exception):
    """What stops a deploy, in a sentence that the user can act on."""


def main():
    request = json.loads(sys.argv[1])
    sys.path.insert(0, os.getcwd())  # as manage.py has it
    from django.conf import settings

    try:
        answer = rehearse(settings, request)
    except Refusal as refusal:
        answer = {"refusal": str(refusal)}
    print(f"\n{request['token']}{json.dumps(answer)}")


def rehearse(settings, request):
    """Do the steps that were asked for, in their order; what was found and done, as a dict."""
    static_root = settings.STATIC_ROOT and os.path.abspath(settings.STATIC_ROOT)
    if static_root:
        # Collected backstage first, and linked to STATIC_ROOT when all of it is there.
        settings.STATIC_ROOT = request["static_root"]

    import django

    django.setup()
    refuse_databases_that_do_not_outlive(settings, request["tree"])
    answer = {
        "django": django.get_version(),
        "static_root": static_root or None,
        "static_url": settings.STATIC_URL,
        "wsgi": request["wsgi"] or wsgi_of(settings),
        "debug": bool(settings.DEBUG),
    }
    for step in request["steps"]:
        if step == "collectstatic":
            answer["collected"] = collect(settings, static_root, request)
        elif step == "check":
            answer["warnings"] = check(answer["wsgi"])
        elif step == "migrate":
            answer["migrated"] = migrate(request["databases"])
    return answer


def wsgi_of(settings):
    """The WSGI callable that the settings name, as gunicorn writes it; Django's own where none is."""
    if settings.WSGI_APPLICATION:
        return ":".join(settings.WSGI_APPLICATION.rsplit(".", 1))
    return "django.core.wsgi:get_wsgi_application()"


def refuse_databases_that_do_not_outlive(settings, tree):
    """A SQLite file in a release's tree is a new, empty database at every deploy, and answers 200."""
    for alias, database in settings.DATABASES.items():
        name = str(database.get("NAME") or "")
        if "sqlite" not in database.get("ENGINE", "") or not name or name.startswith((":memory:", "file:")):
            continue
        path = os.path.realpath(name)
        if os.path.commonpath([path, os.path.realpath(tree)]) == os.path.realpath(tree):
            inside = os.path.relpath(path, os.path.realpath(tree))
            raise Refusal(
                f"The database {alias!r} is the SQLite file {inside} inside the release's tree, so every "
                "release would start with an empty one. Make it outlive the release: "
                f"app_shared_paths: [..., {inside}]"
            )


def collect(settings, static_root, request):
    """Collect the static files; None where the app has none to collect, else what Django said."""
    if not static_root or "django.contrib.staticfiles" not in settings.INSTALLED_APPS:
        return None
    if os.path.isdir(static_root) and not os.path.islink(static_root):
        # Files that the repository tracks below STATIC_ROOT are part of it.
        shutil.copytree(static_root, request["static_root"], symlinks=True, dirs_exist_ok=True)
    return call("collectstatic", interactive=False)


def check(wsgi):
    """Run the system checks, those for deployment too, and import the WSGI callable."""
    from django.core.management.base import SystemCheckError

    try:
        warnings = call("check", deploy=True, fail_level="ERROR")
    except SystemCheckError as error:
        raise Refusal(f"manage.py check found errors:\n{error}") from None
    expected = os.environ["DJANGO_SETTINGS_MODULE"]
    module = wsgi.partition(":")[0]
    __import__(module)
    if os.environ["DJANGO_SETTINGS_MODULE"] != expected:
        raise Refusal(
            f"Importing {module} set DJANGO_SETTINGS_MODULE to {os.environ['DJANGO_SETTINGS_MODULE']!r} "
            f"where {expected!r} was meant. Use os.environ.setdefault() there, or don't use that file: "
            'app_wsgi: "django.core.wsgi:get_wsgi_application()"'
        )
    return warnings


def migrate(databases):
    """Apply what waits, database after database; the names of what was applied."""
    from django.db import connections
    from django.db.migrations.executor import MigrationExecutor

    applied = {}
    for alias in databases:
        if alias not in connections:
            raise Refusal(
                f"app_databases names {alias!r}; the settings have {', '.join(sorted(connections))}."
            )
        executor = MigrationExecutor(connections[alias])
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
        applied[alias] = [f"{migration.app_label}.{migration.name}" for migration, _ in waiting]
        if waiting:
            call("migrate", database=alias, interactive=False)
    return applied


def call(command, **options):
    """Call a management command; what it printed, without colours."""
    from django.core.management import call_command

    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        call_command(command, no_color=True, stdout=out, stderr=out, **options)
    return out.getvalue().strip()


if __name__ == "__main__":
    main()
