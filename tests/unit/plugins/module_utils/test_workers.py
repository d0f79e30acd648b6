from __future__ import annotations

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._workers import first_crash


@pytest.mark.parametrize(
    ("line", "death"),
    [
        (
            "[216] [ERROR] Worker (pid:218) exited with code 1",
            "Worker (pid:218) exited with code 1",
        ),
        (
            "[216] [ERROR] Worker (pid:218) was sent SIGKILL! Perhaps out of memory?",
            "Worker (pid:218) was sent SIGKILL! Perhaps out of memory?",
        ),
        ("[216] [ERROR] Worker (pid:218) was sent SIGTERM!", ""),
        ("[216] [INFO] Worker exiting (pid: 218)", ""),
        ("[216] [INFO] Booting worker with pid: 218", ""),
        ("", ""),
    ],
)
def test_whether_a_worker_died(line: str, death: str) -> None:
    assert first_crash(f"Starting\n{line}\nmore\n") == death
