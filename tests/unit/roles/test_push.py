"""The program that takes pushes: whom it lets in, and what it asks root for."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._push import (
    KINDS,
    common,
    program,
)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("git", "git-receive-pack 'blog.git'"),
        ("git", "git-receive-pack '/blog.git'"),
        ("git", "git-receive-pack '~/blog.git'"),
        ("git", "git-receive-pack 'blog'"),
        ("git", "git receive-pack 'blog.git/'"),
        ("hg", "hg -R blog serve --stdio"),
        ("hg", "hg -R 'blog' serve --stdio"),
    ],
)
def test_a_push_is_let_in(kind: str, asked: str) -> None:
    found = KINDS[kind].ASKS.fullmatch(asked)
    assert found
    assert found[1] == "blog"


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("git", ""),
        ("git", "git-upload-pack 'blog.git'"),
        ("git", "git-receive-pack '/srv/blog/push/../x/blog.git'"),
        ("git", "git-receive-pack 'blog.git' 'x'"),
        ("git", "git-receive-pack 'blog.git'\nid"),
        ("git", "hg -R blog serve --stdio"),
        ("hg", "hg -R blog serve --stdio --config hooks.x=id"),
        ("hg", "hg -R /etc/blog serve --stdio"),
        ("hg", "hg init blog"),
        ("hg", "git-receive-pack 'blog.git'"),
    ],
)
def test_nothing_else_is(
    kind: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(os, "environ", {"SSH_ORIGINAL_COMMAND": asked})
    with pytest.raises(SystemExit):
        program.take("blog", kind, "main", "ada", "1", "60")
    assert capsys.readouterr().err == (
        f"This account takes pushes of blog, by {kind}, and nothing else.\n"
    )


def test_another_apps_repository_is_not_here(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(os, "environ", {"SSH_ORIGINAL_COMMAND": "git-receive-pack 'shop.git'"})
    with pytest.raises(SystemExit):
        program.take("blog", "git", "main", "ada", "1", "60")
    assert "There is no 'shop' here; blog alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        {"revision": "main", "who": "ada"},
        {"revision": "--help", "who": "ada"},
        {"revision": "a" * 39, "who": "ada"},
        {"revision": "a" * 40, "who": "ada; id"},
        {"revision": "a" * 40, "who": ""},
        {"revision": {"a": 1}, "who": "ada"},
    ],
)
def test_root_takes_a_hash_and_a_name(
    words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(words)))
    monkeypatch.setattr(subprocess, "Popen", started.append)
    with pytest.raises(SystemExit):
        program.deploy("blog")
    assert started == []


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("refs/heads/main", True),
        ("refs/tags/größe-1.0+x@y", True),
        ("refs/tags/-rf", False),
        ("refs/tags/.hidden", False),
        ("refs/tags/a..b", False),
        ("refs//tags", False),
        ("refs/tags/\x1b[31m", False),
        ("refs/tags/\x9b31m", False),
        ("refs/tags/\u202egpj", False),
        ("refs/tags/\udcff", False),
        ("", False),
    ],
)
def test_names_that_are_plain(name: str, plain: bool) -> None:
    assert common.is_plain(name) is plain


@pytest.mark.parametrize(
    ("listing", "too_much"),
    [
        ("100644 blob ab    1000\\ta\\0100644 blob cd      24\\tb\\0", False),
        ("100644 blob ab    1000\\ta\\0100644 blob cd      25\\tb\\0", True),
        ("160000 commit ab       -\\t9999\\0", False),
        ("1024\\t\\0", False),
        ("1000\\t\\025\\t\\0", True),
        ("x\\t\\0" * 4, True),
    ],
)
def test_what_a_revision_unpacks_to(
    listing: str, too_much: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common, "MOST_FILES", 3)
    # printf takes an octal number of up to three digits after a backslash.
    argv = ["printf", listing.replace("\\0", "\\000")]
    if too_much:
        with pytest.raises(SystemExit):
            common.refuse_too_much(argv, 1024)
    else:
        common.refuse_too_much(argv, 1024)


def test_whoever_takes_nothing_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy must come to its end all the same."""
    monkeypatch.setattr(program, "SAY_TIMEOUT", 0.1)
    reading, writing = os.pipe()
    kept = os.dup(1)
    os.dup2(writing, 1)
    try:
        said = [program.say(b"x" * 10_000) for _ in range(20)]
    finally:
        os.dup2(kept, 1)
        for descriptor in (reading, writing, kept):
            os.close(descriptor)
    assert said[0]
    assert not said[-1]


def test_nothing_that_sshd_let_a_client_set_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do a push's bounds depend on it."""
    asked = {
        "SSH_ORIGINAL_COMMAND": "hg -R blog serve --stdio",
        "GIT_CONFIG_COUNT": "1",
        "HGRCPATH": "/tmp/rc",
        "PATH": "/tmp",
        "GREENROOM_PUSH": "{}",
    }
    monkeypatch.setattr(os, "environ", asked)
    monkeypatch.setattr(program, "attend", lambda *words: words)
    with pytest.raises(SystemExit) as ended:
        program.take("blog", "hg", "default", "ada", "5", "60")
    code: Any = ended.value.code
    assert code == (
        ["hg", "-R", "/srv/blog/push/blog", "serve", "--stdio"],
        5 * 2**20,
        60,
    )
    assert set(os.environ) == {"PATH", "HOME", "LANG", "HGRCPATH", "HGPLAIN", "GREENROOM_PUSH"}
    assert (os.environ["PATH"], os.environ["HGRCPATH"]) == (common.PATH, f"{common.OURS}/push.rc")
    assert json.loads(os.environ["GREENROOM_PUSH"])["app"] == "blog"
