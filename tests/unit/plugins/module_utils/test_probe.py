"""What kind of repository is at an address, by real repositories and servers."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils import _probe
from ansible_collections.greenroom.django.plugins.module_utils._command import run
from ansible_collections.greenroom.django.plugins.module_utils._source_control import SOURCES

from tests.unit.conftest import ME
from tests.unit.repository import HgRepository, Repository

pytestmark = pytest.mark.usefixtures("mercurial")


@pytest.fixture(scope="module")
def git(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("git")
    repository = Repository(folder / "work", folder / "bare")
    repository.commit("Start", {})
    repository.fetch()
    return repository


@pytest.fixture(scope="module")
def hg(tmp_path_factory: pytest.TempPathFactory) -> HgRepository:
    return HgRepository(tmp_path_factory.mktemp("hg") / "work")


def kinds(address: str, login: str = "") -> list[str]:
    """All kinds that a repository seems to be of."""
    return [name for name, source in SOURCES.items() if source.probe.is_at(address, ME, login)]


def test_a_path(git: Repository, hg: HgRepository, tmp_path: Path) -> None:
    assert kinds(str(git.bare)) == kinds(str(git.work)) == kinds(f"file://{git.bare}") == ["git"]
    assert kinds(str(hg.work)) == kinds(f"file://{hg.work}") == ["hg"]
    assert kinds(str(tmp_path)) == kinds(str(tmp_path / "nowhere")) == []


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("ssh://ada@example.com{path}", ["--", "ada@example.com"]),
        ("ssh://example.com:2222{path}", ["-p", "2222", "--", "example.com"]),
        ("ada@example.com:{path}", ["--", "ada@example.com"]),
        ("ssh://ada@example.com/{path}", ["--", "ada@example.com"]),
    ],
)
def test_over_ssh(
    git: Repository,
    hg: HgRepository,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    asked: list[str],
) -> None:
    """The server runs what it is told, in the home of who logs in."""

    def ssh(argv: list[str], **options: Any) -> Any:
        assert argv[:-1] == ["ssh", *asked]
        assert options.pop("user") == ME
        return run(["sh", "-c", argv[-1]], cwd="/", **options)

    monkeypatch.setattr(_probe, "run", ssh)
    assert kinds(address.format(path=git.bare)) == ["git"]
    assert kinds(address.format(path=hg.work)) == ["hg"]
    assert kinds(address.format(path="/nowhere")) == []


given: list[str | None] = []  # what a server was told of who asks


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as the forges do, to who has a token."""

    def do_GET(self) -> None:
        kind = {
            "/git/info/refs?service=git-upload-pack": "application/x-git-upload-pack-advertisement",
            "/hg?cmd=capabilities": "application/mercurial-0.1",
        }.get(self.path, "text/html")
        given.append(self.headers["Authorization"])
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/moved"))
        else:
            self.send_response(200 if given[-1] == "Basic YWRhOnNlY3JldA==" else 401)
            self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[ssl.SSLContext | None], str]]:
    """Start a server, with TLS or without; its address."""
    with ExitStack() as stack:

        def start(tls: ssl.SSLContext | None) -> str:
            server = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server))
            if tls:
                server.socket = tls.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
            stack.callback(server.shutdown)
            return f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"

        yield start
    given.clear()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate, which this test trusts."""
    both, request = str(tmp_path / "both.pem"), ["openssl", "req", "-x509", "-newkey", "ec"]
    request += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
    name = ["-nodes", "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1"]
    run([*request, *name, "-keyout", both, "-out", str(tmp_path / "certificate.pem")])
    with open(both, "a", encoding="ascii") as file:
        file.write((tmp_path / "certificate.pem").read_text())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context


def test_over_https(serve: Callable[[ssl.SSLContext | None], str], tls: ssl.SSLContext) -> None:
    address = serve(tls)
    for name in ("git", "hg"):
        assert kinds(f"{address}/{name}", "ada:secret") == [name]
        assert kinds(f"{address}/{name}/", "ada:secret") == [name]
        assert kinds(f"{address}/{name}") == []
    assert kinds(f"{address}/else", "ada:secret") == []
    assert kinds("https://127.0.0.1:1/x") == []


def test_the_token_goes_nowhere_else(
    serve: Callable[[ssl.SSLContext | None], str], tls: ssl.SSLContext
) -> None:
    """Neither in clear text, nor to where a server sends us."""
    assert kinds(f"{serve(None)}/git", "ada:secret") == []
    assert set(given) == {None}
    given.clear()
    assert kinds(f"{serve(tls)}/moved/git", "ada:secret") == []
    assert given == ["Basic YWRhOnNlY3JldA==", None] * 2
