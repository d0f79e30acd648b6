# PRIVATE to the collection: the app's environment variables, whose values are never in a message.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.greenroom.django.plugins.module_utils._environment import (
    environment_problems,
    kind_of,
)


def problems_of_environment(variables: Any) -> list[str]:
    """What is wrong with app_env."""
    if isinstance(variables, Mapping):
        return environment_problems(variables)
    return [
        f"app_env is of type {kind_of(variables)}; it should be a dictionary of names and strings."
    ]
