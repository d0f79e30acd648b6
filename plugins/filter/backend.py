# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters that read what a backend says of itself in its own file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.greenroom.django.plugins.module_utils import _registry
from ansible_collections.greenroom.django.plugins.module_utils._backends import BACKENDS
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError


def backend(name: str, question: str, trait: str, *arguments: str) -> Any:
    """A trait of a backend, which is called with the arguments where it is a function."""
    try:
        registry = _registry.get(BACKENDS, "The question", question)
        found = getattr(_registry.get(registry, f"app_{question}", name), trait)
    except GreenroomError as error:
        raise AnsibleFilterError(str(error)) from error
    if callable(found):
        return found(*arguments)
    return list(found) if isinstance(found, tuple) else found


def backends(question: str, trait: str) -> list[Any]:
    """A trait of all backends that answer a question, as one list."""
    found = [backend(name, question, trait) for name in BACKENDS[question]]
    return [item for each in found for item in (each if isinstance(each, list) else [each])]


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """What Ansible asks for."""
        return {"backend": backend, "backends": backends}
