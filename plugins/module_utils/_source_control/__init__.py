# PRIVATE to the collection: the register of source controls. Adding one is a file here, a line
# below, and a word in the choices of app_source_control.
from __future__ import annotations

from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._source_control.git import Git

SOURCES = {
    "git": Git,
}


def source_of(app: App, source_control: str) -> Git:
    """The fetched repository of ``app``."""
    return SOURCES[source_control](app.repository, app.builder)
