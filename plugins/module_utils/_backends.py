# PRIVATE to the collection: the registries of backends, by their questions: the settings app_….
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._database import DATABASES
from ansible_collections.greenroom.django.plugins.module_utils._service import MANAGERS
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES
from ansible_collections.greenroom.django.plugins.module_utils._web_server import WEB_SERVERS

BACKENDS: dict[str, Mapping[str, Any]] = {
    "source_control": SOURCES,
    "service_manager": MANAGERS,
    "web_server": WEB_SERVERS,
    "database": DATABASES,
}
