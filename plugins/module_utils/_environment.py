# PRIVATE to the collection: the environment file of a release, in the format of systemd.exec(5),
# EnvironmentFile=. systemd reads it for the service; Greenroom reads it for every manage.py call,
# so that both see the same bytes.
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")

# Within double quotes systemd takes a backslash away before these, and keeps all else, line ends
# too.
_SPECIAL = re.compile(r'(["\\`$])')
_ASSIGNMENT = re.compile(
    r'^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"$', re.MULTILINE | re.DOTALL
)


def dump_environment(variables: Mapping[str, str]) -> str:
    """The file's content for ``variables``, sorted by name.

    Raises GreenroomError, without the value, for what an environment cannot hold.
    """
    problems = environment_problems(variables)
    if problems:
        raise GreenroomError(problems[0])
    lines = []
    for name, value in sorted(variables.items()):
        lines.append('{}="{}"\n'.format(name, _SPECIAL.sub(r"\\\1", value)))
    return "".join(lines)


def load_environment(content: str) -> dict[str, str]:
    """The variables in a file that dump_environment() wrote."""
    return {
        name: re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        for name, value in _ASSIGNMENT.findall(content)
    }


def kind_of(value: object) -> str:
    """The name of a value's type, as in YAML. Ansible's own types, which derive, have others."""
    kinds = (bool, int, float, str, list, dict)
    if value is None:
        return "null"
    return next((kind.__name__ for kind in kinds if isinstance(value, kind)), type(value).__name__)


# As Django's own error reports do it, and addresses, which hold passwords too.
_SECRET_NAME = re.compile(
    "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|CREDENTIAL|URL|DSN", re.IGNORECASE
)


# What follows the user's name in an address, such as scheme://user:password@host/name, up to the
# next address.
_AFTER_USER = re.compile(r"://[^/?#@:\s]*:(?=((?:(?!://)\S)*))")


def without_secrets(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with the values of variables that look like secrets, by their names, blotted out.

    So are the passwords in addresses, whatever the variable's name, as they are written there and
    as they are typed.
    Values of less than 6 characters stay: they are no secrets, and are in many words.
    """
    secrets = {value for name, value in variables.items() if _SECRET_NAME.search(name)}
    for value in variables.values():
        passwords = passwords_in(value)
        secrets.update(passwords, map(unquote, passwords))
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 6:
            text = text.replace(secret, "********")
    return text


def passwords_in(text: str) -> set[str]:
    """The passwords in the addresses that a text is, or has in it, as they are written there."""
    passwords = set()
    for rest in _AFTER_USER.findall(text):
        # An at sign in a password should be written as %40, and may not be: up to both ends.
        passwords |= {rest.partition("@")[0], rest.rpartition("@")[0]} if "@" in rest else set()
    return passwords


# Linux starts no program with more: of one variable (MAX_ARG_STRLEN, with the zero at its end), and
# of all together, which get a quarter of the stack's 8 MiB; some of it is for arguments.
LONGEST = 128 * 1024 - 1
LARGEST = 2 * 1024 * 1024 - 256 * 1024


def environment_problems(variables: Mapping[Any, Any]) -> list[str]:
    """What is wrong with the variables, a sentence each without any value."""
    found = [environment_problem(name, value) for name, value in variables.items()]
    problems = [problem for problem in found if problem]
    sizes = {name: _size(name, value) for name, value in variables.items()}
    if not problems and sum(sizes.values()) > LARGEST:
        name = max(sizes, key=lambda name: sizes[name])
        problems.append(
            f"app_env has {sum(sizes.values())} bytes, the most of them in {name}; Linux starts no "
            f"program with more than {LARGEST}. {_ELSEWHERE}"
        )
    return problems


_ELSEWHERE = "What is large belongs in a file, whose path a variable names."


def _size(name: object, value: object) -> int:
    """What a variable takes in an environment, with the pointer to it."""
    return len(f"{name}={value}".encode("utf-8", "surrogatepass")) + 1 + 8


def environment_problem(name: object, value: object) -> str | None:
    """What is wrong with one variable, in a sentence without the value; None if nothing is."""
    if not isinstance(name, str) or not NAME.match(name):
        return (
            f"app_env has a variable named {name!r}; names are letters, digits and underscores, "
            "and start with no digit."
        )
    if not isinstance(value, str):
        return (
            f"app_env.{name} is of type {kind_of(value)}; it should be a string: put it in quotes."
        )
    if "\0" in value:
        return f"app_env.{name} holds a NUL character, which no environment can."
    # systemd drops such a variable with no more than a warning in its log.
    if re.search("[\ud800-\udfff]", value):
        return f"app_env.{name} holds half of a surrogate pair, which is no text in UTF-8."
    size = len(f"{name}={value}".encode())
    if size > LONGEST:
        return (
            f"app_env.{name} has {size} bytes with its name; Linux starts no program with more "
            f"than {LONGEST} in one variable. {_ELSEWHERE}"
        )
    return None
