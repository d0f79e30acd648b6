# PRIVATE to the collection: what a value of a setting can be asked.
from __future__ import annotations

import datetime
import ipaddress
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
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
    """A name that may be that of a branch, bookmark, tag or commit, and is no option."""
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
    return (
        value is not None
        and bool(re.fullmatch(r"[A-Za-z0-9._@+/-]+", text))
        and not (
            text.startswith(("/", "-"))
            or ".." in text.split("/")
            or posixpath.normpath(text) == "."
        )
    )


def is_python_file(value: Any) -> bool:
    return is_inside(value) and str(value).endswith(".py")


def or_empty(check: Check) -> Check:
    return lambda value: value == "" or check(value)


def between(least: int, most: int = 2**31) -> Check:
    """Whether a value is a whole number in that range; from the command line it comes as text."""
    return lambda value: (
        bool(re.fullmatch(r"0|[1-9][0-9]{0,8}", str(value))) and least <= int(value) <= most
    )


def one_of(*words: str) -> Check:
    return lambda value: value in words


def is_boolean(value: Any) -> bool:
    """What Ansible takes for yes or no; from the command line it comes as text."""
    return str(value).lower() in {str(word) for word in BOOLEANS_TRUE | BOOLEANS_FALSE}


def is_yes(value: Any) -> bool:
    """Whether Ansible takes it for yes."""
    return str(value).lower() in {str(word) for word in BOOLEANS_TRUE}


def is_command(value: Any) -> bool:
    """What can be split into words as a shell would."""
    try:
        return isinstance(value, str) and bool(shlex.split(value))
    except ValueError:
        return False


def is_domain(value: Any) -> bool:
    """A name of DNS, one with all that are below it (*.name or .name), or an IP address."""
    text = value if isinstance(value, str) else ""
    name = re.sub(r"^\*?\.", "", text)
    labels = name.split(".")
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    try:
        if text.startswith("["):
            return (
                bool(ipaddress.IPv6Address(text[1:-1])) and text.endswith("]") and "%" not in text
            )
        if all(part.isdigit() for part in labels):
            return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False
    return len(name) <= 253 and all(re.fullmatch(label, part) for part in labels)


# What the app's service hides or has of its own, and what belongs to the system: at or below these.
_OF_SYSTEM = re.compile(
    r"/(bin|boot|dev|etc|home|lib(32|64|x32)?|proc|root|run/user|sbin|sys|tmp|usr"
    r"|var/(lib/(apt|dpkg)|spool/cron|tmp))(/.*)?"
)
# These have folders of apps below them, and are everybody's themselves.
_OF_ALL = re.compile(r"/(|media|mnt|opt|run|srv|var(/(cache|lib|log|opt|spool))?)")


def is_one_line(value: Any) -> bool:
    """Without a line end, which would begin another setting, and other control characters."""
    return not re.search("[\0-\x1f\x7f-\x9f\u2028\u2029]", str(value))


def is_folder_of_an_app(value: Any) -> bool:
    """A whole path that a unit's list of paths can hold, of a folder that an app may write to."""
    return (
        isinstance(value, str)
        and bool(re.fullmatch(r"/(?!/)[A-Za-z0-9._@+/-]+", value))
        and ".." not in value.split("/")
        and not _OF_SYSTEM.fullmatch(normalized := posixpath.normpath(value))
        and not _OF_ALL.fullmatch(normalized)
    )


def is_memory(value: Any) -> bool:
    """What MemoryMax= of a unit takes, of some MiB at least: 512 alone would be bytes."""
    text = str(value)
    if re.fullmatch(r"infinity|[1-9][0-9]?%|100%", text):
        return True
    found = re.fullmatch(r"([1-9][0-9]{0,15}(?:\.[0-9]+)?)([KMGT]?)", text)
    if not found:
        return False
    number, unit = found.groups()
    return 2**23 <= float(number) * 2.0 ** (10 * " KMGT".index(unit or " ")) < 2**63


def is_user(value: Any) -> bool:
    """The name of a user of the system, and not the superuser."""
    return bool(re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", str(value))) and value != "root"


def is_host_key(value: Any) -> bool:
    """Lines of known_hosts, and comments."""
    key = r"(@(cert-authority|revoked) )?[^\s#@]\S* [a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?|#.*|"
    lines = value.splitlines() if isinstance(value, str) else []
    return any(lines) and all(re.fullmatch(key, line) and is_one_line(line) for line in lines)


is_url_path = matches(r"/((?!\.{1,2}/)[A-Za-z0-9._~-]+/)+")
is_dotted_name = matches(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

# What YAML makes of words and numbers that were meant as texts.
_TRAPS: dict[type, str] = {
    bool: "YAML reads yes, no, on, off, true and false as a truth value",
    float: "YAML reads it as a number, and drops zeros at its end",
    datetime.date: "YAML reads it as a date",
    type(None): "YAML reads null, ~ and nothing as no value",
}


def trap(values: Iterable[Any]) -> str:
    """What YAML has made of one of these, which were meant as texts; empty where it did nothing."""
    for value in values:
        for kind, why in _TRAPS.items():
            if isinstance(value, kind):
                cure = "leave it out, or give it one" if value is None else "put it in quotes"
                return f" ({why}: {cure}.)"
    return ""


def is_list(value: Any) -> bool:
    """A list, and not a string, which would be one of its letters."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def shown(value: Any) -> str:
    """A wrong value for a message; a private key, or a password in an address, is left out."""
    if "PRIVATE KEY" in str(value):
        return "a private key"
    return repr(re.sub(r"//[^/@]*:[^/@]*@", "//…@", str(value)))
