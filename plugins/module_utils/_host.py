# PRIVATE to the collection: whether a host is fit for an app, before anything on it is changed.
from __future__ import annotations

import os
import shutil
import socket

from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._command import PATH
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._sandbox import PROGRAM
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS


def check_host(service_manager: str, python: str | None = None) -> None:
    """Refuse a host of the wrong kind, with every reason at once.

    A ``python`` of None is not looked for.
    Raises GreenroomError.
    """
    problems = []
    if not _is_debian():
        problems.append("it is neither Debian nor Ubuntu, which is what the roles know")
    if not _registry.get(MANAGERS, "service_manager", service_manager).is_available():
        problems.append(f"app_service_manager is {service_manager}, which does not run here")
    if python is not None and not shutil.which(python, path=PATH):
        there = ", ".join(_pythons()) or "none"
        problems.append(f"app_python is {python!r}, which is not here (there is: {there})")
    if problems:
        raise GreenroomError(f"{socket.gethostname()} cannot take the app: {'; '.join(problems)}.")


def check_sandbox() -> None:
    """Refuse a host that cannot confine what runs for a step. Raises GreenroomError."""
    if not shutil.which(PROGRAM, path=PATH):
        raise GreenroomError(
            "This host has no bubblewrap (bwrap), which confines builds and the app's code. Run "
            "site.yml on it first, with the same inventory."
        )


def check_room(path: str, space: int, inodes: int) -> None:
    """Refuse a file system with less than ``space`` MiB or ``inodes`` free.

    Raises GreenroomError.
    """
    room = os.statvfs(path)
    free = room.f_bavail * room.f_frsize // 2**20
    if free < space:
        raise GreenroomError(
            f"{path} has {free} MiB free; app_free_space asks for {space} MiB for one more release."
        )
    # A file system such as btrfs makes inodes as it needs them, and counts none.
    if room.f_files and room.f_favail < inodes:
        raise GreenroomError(
            f"{path} has {room.f_favail} inodes free; app_free_inodes asks for {inodes} for one "
            "more release."
        )


def _is_debian() -> bool:
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            facts = dict(line.rstrip().split("=", 1) for line in file if "=" in line)
    except FileNotFoundError:
        return False
    family = f"{facts.get('ID', '')} {facts.get('ID_LIKE', '')}".replace('"', "").split()
    return "debian" in family


def _pythons() -> list[str]:
    """The names of the Pythons on the PATH, each as one would set it."""
    names = {
        name
        for folder in PATH.split(":")
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if name.startswith("python3")
        and name[len("python3") :].replace(".", "").isdigit() | (name == "python3")
    }
    return sorted(names)
