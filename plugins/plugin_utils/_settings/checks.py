# PRIVATE to the collection: what a value of a setting can be asked.
from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import BOOLEANS_FALSE, BOOLEANS_TRUE

Check = Callable[[Any], bool]


def matches(pattern: str) -> Check:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and bool(compiled.fullmatch(value))


def matches_text(pattern: str) -> Check:
    """The same for a value that may have come as a number."""
    return lambda value: bool(re.fullmatch(pattern, str(value)))


def is_rev(value: Any) -> bool:
    """A name that git takes for a branch, tag or commit (git-check-ref-format), and no option."""
    text = str(value)
    return bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/+@#=-]*", text)) and not re.search(
        r"\.\.|//|@\{|/$|\.lock$", text
    )


def is_repository(value: Any) -> bool:
    """A path, an address of ssh or http(s), or git@host:path; no secret, no other transport."""
    text = str(value)
    path = r"[A-Za-z0-9._~/+-]+"
    host = r"[A-Za-z0-9][A-Za-z0-9.-]*"
    return ".." not in text.split("/") and any(
        re.fullmatch(pattern, text)
        for pattern in (
            rf"/{path}",
            rf"file:///{path}",
            rf"https?://{host}(:\d+)?/{path}",
            rf"ssh://([A-Za-z0-9._-]+@)?{host}(:\d+)?/{path}",
            rf"[A-Za-z0-9._-]+@{host}:{path}",
        )
    )


def is_inside(value: Any) -> bool:
    """A path that stays in the tree: relative, no way up, of characters that need no quoting."""
    text = str(value)
    return bool(re.fullmatch(r"[A-Za-z0-9._@+/-]+", text)) and not (
        text.startswith(("/", "-")) or ".." in text.split("/") or posixpath.normpath(text) == "."
    )


def is_python_file(value: Any) -> bool:
    return is_inside(value) and str(value).endswith(".py")


def or_empty(check: Check) -> Check:
    return lambda value: value == "" or check(value)


def between(least: int, most: int = 2**31) -> Check:
    """Whether a value is a whole number in that range; from the command line it comes as text."""
    return lambda value: (
        bool(re.fullmatch(r"[0-9]{1,9}", str(value))) and least <= int(value) <= most
    )


def one_of(*words: str) -> Check:
    return lambda value: value in words


def is_boolean(value: Any) -> bool:
    """What Ansible takes for yes or no; from the command line it comes as text."""
    return str(value).lower() in {str(word) for word in BOOLEANS_TRUE | BOOLEANS_FALSE}


def is_command(value: Any) -> bool:
    """What can be split into words as a shell would."""
    try:
        return bool(shlex.split(str(value)))
    except ValueError:
        return False


is_host = matches(r"(\*?\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\]")
is_url_path = matches(r"/((?!\.{1,2}/)[A-Za-z0-9._~-]+/)+")
is_dotted_name = matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_list(value: Any) -> bool:
    """A list, and not a string, which would be one of its letters."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def shown(value: Any) -> str:
    """A wrong value for a message; a private key, or a password in an address, is left out."""
    if "PRIVATE KEY" in str(value):
        return "a private key"
    return repr(re.sub(r"//[^/@]*:[^/@]*@", "//…@", str(value)))
