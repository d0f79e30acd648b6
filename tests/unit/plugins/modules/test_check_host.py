from __future__ import annotations

import os

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._app import App
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError
from ansible_collections.greenroom.django.plugins.module_utils._host import (
    check_host,
    check_room,
    check_sandbox,
)
from ansible_collections.greenroom.django.plugins.modules.check_host import check_name


def test_a_name_that_nobody_has(tmp_path: os.PathLike[str]) -> None:
    assert check_name(App("never-heard-of", root=str(tmp_path)), []) is False


def test_an_app_that_was_here_before(app: App) -> None:
    assert check_name(app, []) is True


@pytest.mark.parametrize(
    ("name", "hidden", "taken"),
    [
        ("root", [], "the user root"),
        ("nginx", [], "nginx, which site.yml installs"),
        ("getty", ["getty@.service"], "getty@.service"),
    ],
)
def test_a_name_of_somebody_else(
    tmp_path: os.PathLike[str], name: str, hidden: list[str], taken: str
) -> None:
    with pytest.raises(GreenroomError) as refused:
        check_name(App(name, root=str(tmp_path)), hidden)
    said = str(refused.value)
    assert said.startswith(f"app_name is {name!r}, which this host uses for something else: ")
    assert said.endswith(". Choose another name.")
    assert taken in said


def test_folders_of_somebody_else(tmp_path: os.PathLike[str]) -> None:
    app = App("never-heard-of", root=str(tmp_path))
    os.makedirs(app.etc)
    os.makedirs(app.home)
    with pytest.raises(GreenroomError, match=f"{app.etc}, {app.home}. Choose another name"):
        check_name(app, [])


def test_a_host_without_bubblewrap(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.greenroom.django.plugins.module_utils._host"
    monkeypatch.setattr(f"{module}.shutil.which", lambda *_, **__: None)
    with pytest.raises(GreenroomError, match=r"has no bubblewrap .* Run site\.yml on it first"):
        check_sandbox()


def test_every_reason_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "ansible_collections.greenroom.django.plugins.module_utils._host"
    monkeypatch.setattr(f"{module}._is_debian", lambda: False)
    monkeypatch.setattr(f"{module}._pythons", lambda: ["python3", "python3.11"])
    monkeypatch.setattr(f"{module}.socket.gethostname", lambda: "web1")
    absent = type("", (), {"is_available": lambda: False})
    monkeypatch.setattr(f"{module}.MANAGERS", {"systemd": absent})
    monkeypatch.setattr(f"{module}.shutil.which", lambda *_, **__: None)
    with pytest.raises(GreenroomError) as refused:
        check_host("systemd", "python3.99")
    assert str(refused.value) == (
        "web1 cannot take the app: it is neither Debian nor Ubuntu, which is what the roles know; "
        "app_service_manager is systemd, which does not run here; app_python is 'python3.99', "
        "which is not here (there is: python3, python3.11)."
    )


def test_room_for_one_more(tmp_path: os.PathLike[str]) -> None:
    path = str(tmp_path)
    check_room(path, 0, 0)
    with pytest.raises(GreenroomError, match=r"MiB free; app_free_space asks for 999999999999 MiB"):
        check_room(path, 999_999_999_999, 0)
    if os.statvfs(path).f_files:
        with pytest.raises(GreenroomError, match="inodes free; app_free_inodes asks for 99999999"):
            check_room(path, 0, 999_999_999_999)
