"""How a host gets the code: over ssh, over https, from a path; and what a revision can be called.

The git servers are on the host itself: sshd with a user `git`, and an https server that wants a
password. The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from example import ON_HOST, Example
from host import Host, PlaybookRun

pytestmark = [pytest.mark.extended, pytest.mark.story]

TOKEN = "s3cret/t@ken:with#everything%20"
BUILD = "/srv/playbill/build"
ACCESS = "/srv/playbill/access"

# git's own http-backend behind TLS and basic authentication, with what is in /root.
HTTPS_SERVER = r"""
import base64, http.server, os, ssl, subprocess

TOKEN = open("/root/token").read()

class Server(http.server.BaseHTTPRequestHandler):
    def handle_git(self):
        given = self.headers.get("Authorization", "")
        wanted = "Basic " + base64.b64encode(f"oauth2:{TOKEN}".encode()).decode()
        if given != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            "GIT_PROJECT_ROOT": "/home/git", "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": self.command, "REMOTE_USER": "x",
            "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "PATH": os.environ["PATH"],
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*",
        }
        git = ["git", "http-backend"]
        run = subprocess.run(git, input=body, env=environment, stdout=subprocess.PIPE)
        head, _, content = run.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    do_GET = do_POST = handle_git

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/tls.crt", "/root/tls.key")
server = http.server.ThreadingHTTPServer(("localhost", 8443), Server)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


class Story:
    """One host, and settings that change from chapter to chapter."""

    def __init__(self, host: Host, example: Example) -> None:
        self.host, self.example = host, example
        self.inventory = host.last_inventory
        self.settings = json.loads(self.inventory.read_text())

    def set(self, **settings: Any) -> None:
        """Change settings, and prepare the host for them."""
        self.settings["staging"]["hosts"][self.host.container].update(settings)
        self.inventory.write_text(json.dumps(self.settings))
        self.host.prepare("checkout")

    def run(self, playbook: str | Path, *arguments: str, check: bool = True) -> PlaybookRun:
        """Run a playbook with the settings of now."""
        return self.host.playbook(playbook, *arguments, check=check)

    def deploy(self, *arguments: str, check: bool = True) -> PlaybookRun:
        """Deploy, older revisions too: what becomes of their migrations is another story."""
        ahead = ("-e", "allow_database_ahead=true")
        return self.run("deploy.yml", *ahead, *arguments, check=check)

    def serves(self) -> str:
        """The commit that serves."""
        journal = json.loads(self.host.shell("cat /srv/playbill/journal.json"))["releases"]
        number = int(self.host.shell("basename $(readlink /srv/playbill/current)"))
        return next(str(e["revision"]) for e in journal if e["number"] == number)

    def commit(self, rev: str) -> str:
        """The full hash of a revision of the example."""
        return self.example.git("rev-parse", f"{rev}^{{commit}}")


@pytest.fixture(scope="module")
def story(host: Host, playbill: Example) -> Story:
    """A host with a user `git`, whose repository nobody else may read."""
    host.shell(
        "set -e; useradd --create-home --shell /usr/bin/git-shell git; chmod 0700 /home/git;"
        f"git clone --quiet --bare {ON_HOST} /home/git/playbill.git; chown -R git:git /home/git;"
        "install -d -m 0700 -o git -g git /home/git/.ssh"
    )
    return Story(host, playbill)


def host_key(host: Host) -> str:
    """The line of known_hosts for the host's own sshd."""
    return "localhost " + " ".join(host.shell("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2])


# -- over ssh -------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_refused(story: Story) -> None:
    story.set(app_repository="git@localhost:playbill.git")
    pinned = story.host.shell(f"cat {ACCESS}/.ssh/known_hosts")
    run = story.deploy(check=False)
    assert run.returncode != 0
    assert "No ED25519 host key is known for localhost" in run.stdout
    assert "Host keys are never accepted unseen." in run.stdout
    assert story.host.shell(f"cat {ACCESS}/.ssh/known_hosts") == pinned
    assert "localhost" not in pinned


def test_a_wrong_host_key_is_refused(story: Story) -> None:
    """Even where the key would be let in: nothing is sent to a server that is somebody else."""
    story.host.shell(
        f"install -m 0600 -o git -g git {ACCESS}/.ssh/deploy_key.pub /home/git/.ssh/authorized_keys"
    )
    wrong = story.host.shell("ssh-keygen -q -t ed25519 -N '' -f /root/other; cat /root/other.pub")
    story.set(checkout_known_hosts=["localhost " + " ".join(wrong.split()[:2])])
    run = story.deploy(check=False)
    story.host.shell("rm /home/git/.ssh/authorized_keys")
    assert run.returncode != 0
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in run.stdout
    assert "Host key verification failed." in run.stdout
    assert "changed by its owner, goes into checkout_known_hosts" in run.stdout


def test_the_error_shows_the_deploy_key(story: Story) -> None:
    story.set(checkout_known_hosts=[host_key(story.host)])
    run = story.deploy(check=False)
    assert run.returncode != 0
    assert "git@localhost: Permission denied (publickey)" in run.stdout
    public = story.host.shell(f"cat {ACCESS}/.ssh/deploy_key.pub").strip()
    assert public in run.stdout
    assert " playbill@" in public, "it says whose it is"
    assert "PRIVATE KEY" not in run.output


def test_with_its_deploy_key_the_host_gets_the_code(story: Story) -> None:
    story.host.shell(
        f"install -m 0600 -o git -g git {ACCESS}/.ssh/deploy_key.pub /home/git/.ssh/authorized_keys"
    )
    assert "Would deploy release" in story.deploy("--check").stdout
    story.deploy()
    assert story.serves() == story.commit("v1")


# -- over https -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def https(story: Story) -> str:
    """An https server whose certificate the host trusts; the address of the repository."""
    story.host.shell(
        "set -e; cd /root;"
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null;"
        "cp tls.crt /usr/local/share/ca-certificates/git-server.crt;"
        "update-ca-certificates >/dev/null 2>&1"
    )
    story.host.run(["tee", "/root/server.py"], stdin=HTTPS_SERVER)
    story.host.run(["install", "-m", "600", "/dev/stdin", "/root/token"], stdin=TOKEN)
    story.host.run(["systemd-run", "--quiet", "--unit=git-https", "python3", "/root/server.py"])
    connect = "import socket; socket.create_connection(('localhost', 8443))"
    for _ in range(100):
        if not story.host.run(["python3", "-c", connect], check=False).returncode:
            break
        time.sleep(0.05)
    return "https://localhost:8443/playbill.git"


def test_https_without_a_token_is_refused(story: Story, https: str) -> None:
    story.set(app_repository=https)
    run = story.deploy(check=False)
    assert run.returncode != 0
    assert "could not read Username" in run.stdout or "Authentication failed" in run.stdout
    assert "wants an access token (checkout_token, checkout_user)" in run.stdout


def test_https_with_the_wrong_token_is_refused(story: Story) -> None:
    story.set(checkout_token="wr0ng-token")
    for _ in range(2):  # the second time git must not have forgotten it
        run = story.deploy("-vvv", check=False)
        assert run.returncode != 0
        assert "Authentication failed for 'https://localhost:8443/playbill.git/'" in run.stdout
        assert "wr0ng" not in run.output
    assert "wr0ng-token" in story.host.shell(f"cat {ACCESS}/.git-credentials")


def test_https_with_a_token(story: Story) -> None:
    """Whatever characters are in it, and without a word of it anywhere."""
    story.example.set_branch("staging", "v2")
    story.host.shell(
        "cd /home/git/playbill.git &&"
        f"git -c safe.directory='*' fetch -q {ON_HOST} '+refs/*:refs/*' && chown -R git:git ."
    )
    story.set(checkout_token=TOKEN)
    outputs = [story.host.prepare("checkout", "-vvv", "--diff"), story.deploy("-vvv", "--diff")]
    assert story.serves() == story.commit("v2")
    for output in outputs:
        assert "s3cret" not in output.output
    assert "s3cret" not in story.host.shell("journalctl --no-pager --all")  # before we look for it
    mode = story.host.shell(f"stat -c '%U:%G %a' {ACCESS}/.git-credentials").strip()
    assert mode == "root:playbill-build 640"
    for user in ("playbill", "www-data", "nobody"):
        grep = [
            "grep",
            "-r",
            "-l",
            "-a",
            "s3cret",
            "/srv",
            "/etc",
            "/opt",
            "/tmp",
            "/run",
            "/var",
            "/home",
        ]
        assert story.host.run(grep, user=user, check=False).stdout == ""
    assert "s3cret" not in story.host.shell(
        f"cat {BUILD}/repository/config {BUILD}/repository/FETCH_HEAD"
    )


def test_another_address_later(story: Story) -> None:
    """Back to ssh, and the token that is not needed any more is gone."""
    story.set(app_repository="ssh://git@localhost/home/git/playbill.git", checkout_token="")
    run = story.deploy("-e", "rev=v3")
    assert run.recap[story.host.container]["failed"] == 0
    assert story.serves() == story.commit("v3")
    assert story.host.shell(f"cat {ACCESS}/.git-credentials") == ""


# -- from a path, and all that a revision can be called -------------------------------------------


def test_a_path_that_belongs_to_another_user(story: Story) -> None:
    story.set(app_repository=ON_HOST)
    assert story.host.shell(f"stat -c %U {ON_HOST}").strip() == "deploy"
    story.deploy()
    assert story.serves() == story.commit("staging")


def test_local_edits_neither_stop_nor_leak_into_a_deploy(story: Story) -> None:
    """In the tree that serves, and committed in the fetched repository."""
    commit = "git -c user.name=Eve -c user.email=eve@example.org commit-tree -p staging -m Leak"
    story.host.shell(
        f"cd {BUILD}/repository && leak=$({commit} 'v1^{{tree}}') &&"
        "git update-ref refs/heads/staging $leak",
        user="playbill-build",
    )
    story.host.shell("echo 'x = (' >> /srv/playbill/current/playbill/__init__.py")
    assert "Nothing to do" in story.deploy().stdout
    assert story.serves() == story.commit("staging")
    tip = story.example.commit({"edits": "1"}, "After the edits")
    story.deploy()
    assert story.serves() == tip
    assert "x = (" not in story.host.shell("cat /srv/playbill/current/playbill/__init__.py")


def test_names_of_a_revision(story: Story) -> None:
    """A branch with a slash, an annotated tag, a full and a short commit."""
    story.example.git("switch", "--quiet", "-c", "feature/new/stage", "v1")
    branch = story.example.commit({"a": "1"}, "On a branch", "feature/new/stage")
    tagged = story.example.commit({"a": "2"}, "To be tagged", "feature/new/stage")
    story.example.git("tag", "--annotate", "-m", "A tag with a message", "r-1.0", tagged)
    full = story.example.commit({"a": "3"}, "By its hash", "feature/new/stage")
    short = story.example.commit({"a": "4"}, "By a part of its hash", "feature/new/stage")
    story.example.set_branch("feature/new/stage", branch)
    story.example.set_branch("keep", short)
    story.example.push()
    assert (
        f"Would deploy release 6 ({tagged[:10]})"
        in story.deploy("--check", "-e", "rev=r-1.0").stdout
    )
    for rev, commit in (
        ("feature/new/stage", branch),
        ("r-1.0", tagged),
        (full, full),
        (short[:8], short),
    ):
        story.deploy("-e", f"rev={rev}")
        assert story.serves() == commit, rev


def test_a_branch_that_was_rewritten(story: Story) -> None:
    story.example.git("switch", "--quiet", "staging")
    story.example.git("reset", "--quiet", "--hard", "v1")
    rewritten = story.example.commit({"b": "1"}, "Another past")
    story.deploy()
    assert story.serves() == rewritten


def test_a_branch_that_is_gone_is_gone(story: Story) -> None:
    """Also where a new one needs its name as a folder."""
    story.example.git("push", "--quiet", "origin", "--delete", "keep")
    run = story.deploy("-e", "rev=keep", check=False)
    assert "The repository has no branch, tag or commit 'keep'" in run.stdout
    story.example.git("branch", "-D", "keep")
    story.example.git("push", "--quiet", "origin", "v2^{commit}:refs/heads/keep/this")
    story.deploy("-e", "rev=keep/this")
    assert story.serves() == story.commit("v2")


def test_a_head_that_points_nowhere(story: Story) -> None:
    story.host.run(
        ["git", "--git-dir", ON_HOST, "symbolic-ref", "HEAD", "refs/heads/nowhere"], user="deploy"
    )
    story.host.shell(f"rm -rf {BUILD}/repository")
    story.deploy("--check")
    for changed in (True, False):
        run = story.deploy()
        assert (run.recap[story.host.container]["changed"] > 0) == changed
    assert story.serves() == story.commit("staging")


def test_another_repository(story: Story) -> None:
    """Nothing of the one before can be deployed any more; its branches and tags went with it."""
    other = "/srv/git/other.git"
    story.host.shell(f"git init --quiet --bare {other} && chown -R deploy:deploy {other}")
    story.example.git(
        "push", "--quiet", str(remote(story, other)), "v3^{commit}:refs/heads/staging"
    )
    story.set(app_repository=other)
    assert f"({story.commit('v3')[:10]})" in story.deploy("--check").stdout
    story.deploy()
    assert story.serves() == story.commit("v3")
    for rev in ("v2", "live"):
        run = story.deploy("-e", f"rev={rev}", check=False)
        assert f"The repository has no branch, tag or commit '{rev}'" in run.stdout
    assert story.serves() == story.commit("v3")


def remote(story: Story, path: str) -> str:
    """The address at which the working copy pushes to a path on the host."""
    return f"ssh://deploy@{story.host.address}{path}"
