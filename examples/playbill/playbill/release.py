"""Which version this is, and which release it runs from: the small print of every page."""

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest

from . import VERSION, VERSION_NAME


def release_of(directory: Path) -> str:
    """Return "42" for .../releases/42, and "development" for any other directory."""
    if directory.parent.name == "releases" and directory.name.isdecimal():
        return directory.name
    return "development"


def small_print(request: HttpRequest) -> dict[str, str]:
    """Context processor: what the base template tells about itself."""
    return {
        "version": VERSION,
        "version_name": VERSION_NAME,
        "release": release_of(settings.BASE_DIR),
    }
