# PRIVATE to the collection: the services of the host itself, such as the web server. Those of an
# app are in _service/.
from __future__ import annotations

import glob
import os
import subprocess

from ansible_collections.greenroom.django.plugins.module_utils._command import run
from ansible_collections.greenroom.django.plugins.module_utils._init_system import has_units

_AT_BOOT = "/etc/systemd/system/multi-user.target.wants"
_AT_BOOT_OF_SCRIPTS = "/etc/rc2.d"
_VERBS_OF_SCRIPTS = {"is-active": "status", "reload-or-restart": "restart"}


def control(service: str, verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a command of systemctl, or its like, for a service of the host.

    ``options`` are for systemctl alone.
    """
    if has_units():
        return run(["systemctl", "--quiet", verb, *options, service])
    if verb in ("enable", "disable"):
        return run(["update-rc.d", service, verb])
    return run(["service", service, _VERBS_OF_SCRIPTS.get(verb, verb)])


def is_active(service: str) -> bool:
    """Whether a service is up."""
    return control(service, "is-active").returncode == 0


def is_enabled(service: str) -> bool:
    """Whether a service comes up at boot."""
    if has_units():
        return os.path.lexists(f"{_AT_BOOT}/{service}.service")
    return bool(glob.glob(f"{_AT_BOOT_OF_SCRIPTS}/S??{service}"))


def finish(service: str, signal: str) -> None:
    """Stop a service by a signal, at which it answers the requests that it has.

    Its unit could end those requests, or end them after some seconds.
    """
    if has_units():
        control(service, "kill", "--kill-who=main", f"--signal={signal}")
    else:
        control(service, "stop")


def stop(service: str) -> None:
    """Stop a service and keep it from coming up at boot."""
    control(service, "stop")
    control(service, "disable")
    if has_units():
        control(service, "reset-failed")  # it may have ended by itself, at a signal


def log_since(service: str, moment: int) -> str:
    """The log lines of a service since a moment in Unix seconds; empty where nothing keeps them."""
    if not has_units():
        return ""
    since = [f"--since=@{moment}", f"--unit={service}"]
    return run(["journalctl", "--no-pager", "--output=cat", *since]).stdout
