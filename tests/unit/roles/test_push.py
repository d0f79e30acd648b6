"""The program that takes pushes: whom it lets in, and what it asks root for."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import json
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from tests.unit.roles.project import ROOT

PUSH = ROOT / "roles/push/files/push"


@pytest.fixture
def push() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("push", str(PUSH))
    spec = importlib.util.spec_from_loader("push", loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


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
def test_a_push_is_let_in(push: ModuleType, kind: str, asked: str) -> None:
    found = push.ASKS[kind].fullmatch(asked)
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
    push: ModuleType, kind: str, asked: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", asked)
    with pytest.raises(SystemExit):
        push.open_door("blog", kind, "main", "ada")
    assert capsys.readouterr().err == (
        f"This account takes pushes of blog, by {kind}, and nothing else.\n"
    )


def test_another_apps_repository_is_not_here(
    push: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("SSH_ORIGINAL_COMMAND", "git-receive-pack 'shop.git'")
    with pytest.raises(SystemExit):
        push.open_door("blog", "git", "main", "ada")
    assert "There is no shop here; blog alone" in capsys.readouterr().err


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
    push: ModuleType, words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(words)))
    monkeypatch.setattr(subprocess, "Popen", started.append)
    with pytest.raises(SystemExit):
        push.deploy("blog")
    assert started == []
