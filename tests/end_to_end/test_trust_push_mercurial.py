"""The bounds of a push, with Mercurial. What git does is in test_trust_push.py."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from example import Example, settings
from fleet import release_of
from host import Host, key

from tests.end_to_end.test_push_mercurial import HgPushes
from tests.end_to_end.test_trust_push import MIB, SIZE, TIMEOUT, bounded, hang, used

pytestmark = [pytest.mark.extended, pytest.mark.story]


@pytest.fixture(scope="module")
def hg_pushes(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> HgPushes:
    """A host that takes small pushes with Mercurial."""
    host, folder = start_host(image=provisioned_image), tmp_path_factory.mktemp("hg")
    own = settings("localhost", host.address)
    host.inventory(folder / "staging", **own, **bounded(), app_source_control="hg")
    for role in ("checkout", "push"):
        host.prepare(role)
    pushes = HgPushes(host, Example.make(tmp_path_factory.mktemp("playbill")), folder)
    pushes.commit("v1")
    pushes.push()
    return pushes


def add(pushes: HgPushes, name: str, content: bytes) -> None:
    """Commit a file."""
    (pushes.work / name).write_bytes(content)
    pushes.hg("addremove", "--quiet")
    pushes.hg("commit", "--message", name)


def refuse(pushes: HgPushes, why: str, *arguments: str) -> None:
    """Push what must be refused, and forget it; the host is as before."""
    before = pushes.tip(), release_of(pushes.host)
    said = pushes.push(*arguments, check=False)
    assert why in " ".join(said.replace("remote: ", "").split())
    assert (pushes.tip(), release_of(pushes.host)) == before
    pushes.hg("--config", "extensions.strip=", "strip", "--no-backup", "tip")


def test_one_that_is_too_large(hg_pushes: HgPushes) -> None:
    before = used(hg_pushes.host)
    add(hg_pushes, "noise", os.urandom((SIZE + 2) * MIB))
    refuse(hg_pushes, f"It is larger than {SIZE} MiB, which is push_max_size.")
    assert used(hg_pushes.host) < before + MIB // 2


def test_one_that_grows_when_it_is_unpacked(hg_pushes: HgPushes) -> None:
    # Mercurial sends texts as they are, and there is a MiB of room for what it says beside them.
    add(hg_pushes, "zeros", bytes(SIZE * MIB + MIB // 2))
    refuse(hg_pushes, f"Unpacked, it has more than 200000 files, or than {SIZE} MiB")


def test_a_name_that_is_not_plain(hg_pushes: HgPushes) -> None:
    for name in ("\u202egpj.exe", "a..b", "x/-rf"):
        hg_pushes.hg("branch", name)
        add(hg_pushes, "README.md", name.encode())
        refuse(hg_pushes, f"{name!a} is no plain name.", "--new-branch")
        hg_pushes.hg("update", "--clean", "default")


def test_a_client_that_hangs(hg_pushes: HgPushes) -> None:
    ssh = ["ssh", *hg_pushes.host.ssh_options, "-i", str(key())]
    seconds, answer = hang(
        [*ssh, f"playbill-push@{hg_pushes.host.address}"],
        "hg -R playbill serve --stdio",
        b"hello\n",
    )
    assert seconds > TIMEOUT - 1
    assert "which is push_timeout" in answer


def test_a_push_that_is_well_still_serves(hg_pushes: HgPushes) -> None:
    """Also after what was ended in the middle."""
    before = release_of(hg_pushes.host)
    node = hg_pushes.commit("v2")
    hg_pushes.push()
    assert (release_of(hg_pushes.host), hg_pushes.tip()) == (before + 1, node)
