from __future__ import annotations

from pathlib import Path

from ansible import constants
from ansible_collections.greenroom.django.plugins.filter.run import (
    FilterModule,
    controller_tmp_path,
)


def test_the_names() -> None:
    assert FilterModule().filters() == {"controller_tmp_path": controller_tmp_path}


def test_a_path_is_private_and_the_same_each_time() -> None:
    folder = Path(controller_tmp_path("snapshot")).parent
    assert str(folder) == constants.DEFAULT_LOCAL_TMP
    assert folder.stat().st_mode & 0o777 == 0o700
    assert controller_tmp_path("snapshot") == controller_tmp_path("snapshot")
