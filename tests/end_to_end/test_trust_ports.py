"""Two apps, each with a port of its own: an unknown name is answered on none of them. One story."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from host import Host

pytestmark = pytest.mark.story


@pytest.fixture(scope="module")
def two(
    start_host: Callable[..., Host],
    provisioned_image: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, int], Host]:
    """A host, and what has site.yml prepare an app on it, which nothing serves yet."""
    ipv6 = "--sysctl=net.ipv6.conf.all.disable_ipv6=0"
    host = start_host(image=provisioned_image, limits=[ipv6])
    folder = tmp_path_factory.mktemp("two")

    def prepare(app: str, port: int) -> Host:
        host.inventory(
            folder / "staging",
            app_name=app,
            app_repository="/srv/git/playbill.git",
            app_domains=[f"{app}.test"],
            app_port=port,
            app_backup_at="",
        )
        host.playbook("site.yml")
        return host

    return prepare


@pytest.mark.parametrize(
    "order", [[("playbill", 80), ("matinee", 8080)], [("playbill", 80)], [("matinee", 8080)]]
)
def test_an_unknown_name_is_refused_on_each_app_s_port(
    two: Callable[[str, int], Host], order: list[tuple[str, int]]
) -> None:
    """Whichever was prepared last: what all share does not know the ports of all."""
    for app, port in order:
        host = two(app, port)
    for address in ("127.0.0.1", "::1"):
        for app, port, other in (("playbill", 80, "matinee"), ("matinee", 8080, "playbill")):
            said = {
                name: host.run(["python3", "-c", STATUS, address, str(port), name]).stdout.strip()
                for name in (f"{app}.test", f"{other}.test", "evil.test", "")
            }
            assert said == {f"{app}.test": "503", f"{other}.test": "0", "evil.test": "0", "": "0"}


#: asks for a page on the host itself by a name, or by HTTP/1.0 without one
STATUS = """
import socket, sys
address, port, name = sys.argv[1:]
one = socket.create_connection((address, int(port)))
line = f"GET / HTTP/1.1\\r\\nHost: {name}" if name else "GET / HTTP/1.0"
one.sendall(f"{line}\\r\\n\\r\\n".encode())
got = one.recv(100)
print(int(got.split()[1]) if got else 0)
"""
