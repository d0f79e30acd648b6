"""app_source_control: hg: branches, bookmarks, local numbers, merges, rollbacks, and access.

The classic arrangement: a branch `staging`, a branch `live`, and a deploy of live that merges
staging into it. The repository is on the host, and the controller pushes to it over ssh with a key
of its own. The tests of this module are one story on one host, told in their order.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from example import ON_HOST as GIT_ON_HOST
from example import Example, settings
from host import Host, Load, PlaybookRun, ansible_playbook

from tests.end_to_end.mercurial import ON_HOST, HgExample

pytestmark = [pytest.mark.extended, pytest.mark.story]

HOME = "/srv/playbill"
BUILD = f"{HOME}/build"
ACCESS = f"{HOME}/access"
TOKEN = "s3cret/t@ken:with#everything%20"

# Mercurial's own web server behind TLS and basic authentication, with what is in /root.
HTTPS_SERVER = """
import base64, ssl
from wsgiref.simple_server import make_server
from wsgiref.util import shift_path_info
from mercurial.hgweb import hgweb

site, token = hgweb(b"/srv/hg/playbill"), open("/root/token").read()

def guarded(environment, start):
    wanted = "Basic " + base64.b64encode(f"oauth2:{token}".encode()).decode()
    if environment.get("HTTP_AUTHORIZATION") == wanted:
        shift_path_info(environment)
        return site(environment, start)
    start("401 Unauthorized", [("WWW-Authenticate", 'Basic realm="hg"'), ("Content-Length", "0")])
    return []

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/tls.crt", "/root/tls.key")
server = make_server("localhost", 8443, guarded)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


class Story:
    """One host, and somebody who works on the site with Mercurial."""

    def __init__(self, host: Host, example: Example, folder: Path) -> None:
        self.host, self.repository = host, HgExample(host, example, folder)
        self.inventory = folder / "live"
        self.hg, self.push = self.repository.hg, self.repository.push
        self.settings = {
            **settings("localhost", host.address),
            "app_source_control": "hg",
            "app_repository": ON_HOST,
            "app_migration_check": "warn",
            "app_keep_releases": 30,
            "checkout_controller_repository": self.repository.pushed_to,
        }
        self.write()

    def write(self, **more: Any) -> None:
        """Write the inventory."""
        self.host.inventory(self.inventory, "live", **{**self.settings, **more})

    def set(self, **more: Any) -> None:
        """Change settings from here on, and prepare the host for them."""
        self.settings.update(more)
        self.write()
        self.prepare()

    def run(self, playbook: str | Path, *arguments: str, check: bool = True) -> PlaybookRun:
        """Run a playbook as that person."""
        env = {"HGRCPATH": str(self.repository.hgrc)}
        return ansible_playbook(self.inventory, playbook, *arguments, check=check, env=env)

    def prepare(self, *arguments: str) -> PlaybookRun:
        """Prepare the host to fetch."""
        env = {"HGRCPATH": str(self.repository.hgrc)}
        return self.host.prepare("checkout", *arguments, env=env)

    def deploy(self, *arguments: str, check: bool = True) -> PlaybookRun:
        """Deploy, older revisions too: what becomes of their migrations is another story."""
        ahead = ("-e", "allow_database_ahead=true")
        return self.run("deploy.yml", *ahead, *arguments, check=check)

    def refuse(self, *arguments: str, playbook: str = "deploy.yml") -> str:
        """Run what must be refused, and return the message; nothing may have changed."""
        before = self.state()
        run = self.run(playbook, *arguments, check=False)
        assert run.returncode != 0, run.output
        assert self.state() == before
        assert "Traceback" not in run.output
        return " ".join(run.stdout.split())

    def state(self) -> Any:
        """All that a refused deploy must leave alone: the repository, and what is on stage."""
        listing = self.host.listing(HOME, "/etc/playbill")
        assert f"{HOME}/lock.json" not in listing
        others = (BUILD, f"{HOME}/lock.json.")  # a cache, and what the first run of all leaves
        here = {path: what for path, what in listing.items() if not path.startswith(others)}
        there = self.host.run(["test", "-d", ON_HOST], check=False).returncode == 0
        return here, self.remote("log", "--template", "{node} {bookmarks}\n") if there else ""

    def remote(self, *arguments: str) -> str:
        """Ask the repository itself."""
        return self.host.run(["hg", "-R", ON_HOST, *arguments], user="deploy").stdout.strip()

    def node(self, rev: str) -> str:
        """The hash of a changeset in the repository."""
        return self.remote("log", "--rev", rev, "--template", "{node}")

    def number(self, rev: str) -> str:
        """Its local number there."""
        return self.remote("log", "--rev", rev, "--template", "{rev}")

    def commit(self, version: str, message: str, **files: str) -> str:
        """Commit a version of the example with other files, and push that; the hash."""
        self.repository.put(version)
        return self.repository.commit(files, message)

    def go_to(self, branch: str) -> None:
        """Work on a branch, from what the repository has of it."""
        self.hg("pull", self.repository.pushed_to)
        self.hg("update", "--clean", branch)

    def entry(self) -> dict[str, Any]:
        """What the journal says of the release that serves."""
        journal = json.loads(self.host.shell(f"cat {HOME}/journal.json"))["releases"]
        number = int(self.host.shell(f"basename $(readlink {HOME}/current)"))
        return next(dict(entry) for entry in journal if entry["number"] == number)

    def serves(self) -> str:
        """The changeset that serves."""
        return str(self.entry()["revision"])

    def version(self) -> str:
        """The version of the example that answers."""
        found = re.search(r'name="playbill-version" content="(\w+)"', self.host.get("/").text)
        assert found
        return found[1]

    def applied(self) -> list[str]:
        """The migrations of the app `shows` that were applied."""
        query = "select name from django_migrations where app = 'shows' order by id"
        script = (
            "import sqlite3, sys; "
            f"base = sqlite3.connect('{HOME}/shared/db.sqlite3'); "
            "print(*[row[0] for row in base.execute(sys.argv[1])])"
        )
        return self.host.run(["python3", "-c", script, query]).stdout.split()


@pytest.fixture(scope="module")
def story(host: Host, playbill: Example, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(host, playbill, tmp_path_factory.mktemp("mercurial"))


def is_of(address: str, asked: str, kind: str) -> str:
    """The error about a repository of another kind."""
    return (
        f"app_source_control is {asked}, and app_repository, {address}, is a repository of {kind}. "
        f"Set app_source_control to {kind}, run site.yml, and deploy again"
    )


# -- the wrong kind of repository -----------------------------------------------------------------


def test_mercurial_is_there_where_it_is_asked_for(story: Story) -> None:
    there = ["dpkg-query", "--show", "mercurial"]
    assert story.host.run(there, check=False).returncode != 0, "git alone was asked for"
    story.write(app_repository=GIT_ON_HOST)
    story.prepare()
    assert story.host.run(there, check=False).returncode == 0
    assert story.prepare().recap[story.host.container]["changed"] == 0


def test_hg_asked_for_on_a_git_repository(story: Story) -> None:
    said = is_of(GIT_ON_HOST, "hg", "git")
    assert said in story.refuse()
    assert said in story.refuse("--check")


def test_git_asked_for_on_a_repository_of_mercurial(story: Story) -> None:
    """On the host, and where the controller merges."""
    story.repository.make(story.host)
    story.hg("debugbuilddag", "+42")  # so that local numbers are beyond those of releases
    story.hg("update", "tip")
    story.hg("branch", "live")
    story.push()
    story.write(app_source_control="git")
    assert is_of(ON_HOST, "git", "hg") in story.refuse()
    ours = str(story.repository.work)
    story.write(app_source_control="git", checkout_controller_repository=ours)
    assert f"app_source_control is git, and {ours} is a repository of hg" in story.refuse(
        "-e", "merge=staging"
    )
    story.write()


# -- branches, merges -----------------------------------------------------------------------------


def test_the_tip_of_the_environments_branch(story: Story) -> None:
    tip = story.commit("v1", "First night")
    story.hg("branch", "staging")
    story.commit("v1", "On staging only", stage="1")
    run = story.deploy()
    assert f"Release 1 ({tip[:10]}, the branch live) serves localhost." in run.stdout
    entry = story.entry()
    assert (entry["revision"], entry["subject"], entry["rev"]) == (tip, "First night", "live")
    assert story.version() == "v1"
    assert "Nothing to do: release 1" in story.deploy().stdout


def test_the_plan_has_the_changesets(story: Story) -> None:
    story.commit("v2", "A second stage")
    before = story.state()
    run = story.deploy("--check", "-e", "merge=staging")
    assert "Would merge staging into live, and push it:\n" in run.stdout
    assert re.search(r"[0-9a-f]{12} A second stage\n\s+[0-9a-f]{12} On staging only\n", run.stdout)
    assert "Would deploy release 2." in run.stdout
    assert story.state() == before


def test_staging_is_merged_into_live_and_deployed_under_load(story: Story) -> None:
    before, theirs = story.node("live"), story.node("staging")
    with Load(story.host) as load:
        run = story.deploy("-e", "merge=staging")
    assert load.failures == 0, str(load)
    tip = story.node("live")
    assert f"Merged staging into live, and pushed it as {tip[:10]}" in run.stdout
    about = "{p1.node} {p2.node} {branch}: {desc}, {user}"
    assert story.remote("log", "--rev", tip, "--template", about) == (
        f"{before} {theirs} live: Merge branch 'staging' into live, Ada"
    )
    assert (story.serves(), story.version()) == (tip, "v2")
    assert story.applied() == ["0001_initial", "0002_show_stage", "0003_fill_stage"]
    assert story.entry()["subject"] == "Merge branch 'staging' into live"
    assert "staging is in live already." in story.deploy("-e", "merge=staging").stdout


def test_a_conflict_names_the_files(story: Story) -> None:
    story.go_to("staging")
    story.commit("v2", "Theirs", notes="theirs")
    story.go_to("live")
    story.commit("v2", "Ours", notes="ours")
    for rehearsal in ([], ["--check"]):
        said = story.refuse("-e", "merge=staging", *rehearsal)
        assert "staging and live both changed notes, in ways that don't go together" in said
        assert "Release 2 is current, as before." in said
    assert "the repository has no branch or bookmark of that name" in story.refuse(
        "-e", "merge=nowhere"
    )


# -- all that a revision can be called ------------------------------------------------------------


def test_names_of_a_revision(story: Story) -> None:
    """A local number, a hash, a part of one, a tag, a bookmark, a branch; and what was meant."""
    story.hg("tag", "--rev", story.node("live"), "v2.1")
    story.hg("bookmark", "--rev", story.node("staging"), "spring")
    story.push()
    story.push("--bookmark", "spring")  # and no more than what it leads to
    tagged, theirs = story.node("v2.1"), story.node("staging")
    for rev, revision, meant in (
        ("v2.1", tagged, ", the tag v2.1"),
        ("spring", theirs, ", the bookmark spring"),
        (story.number("live"), story.node("live"), f", the local number {story.number('live')}"),
        (tagged[:10], tagged, ""),
    ):
        run = story.deploy("-e", f"rev={rev}")
        assert story.serves() == revision, rev
        assert f"({revision[:10]}{meant}) serves localhost." in run.stdout
    assert "has no branch, bookmark, tag or changeset '999'" in story.refuse("-e", "rev=999")


def test_a_bookmark_is_the_environments_branch(story: Story) -> None:
    story.write(app_branch="spring")
    story.deploy()
    assert story.serves() == story.node("bookmark(spring)")
    story.remote("bookmark", "--force", "--rev", "live", "spring")
    story.deploy()
    assert story.serves() == story.node("live")
    story.write()


def test_local_edits_neither_stop_nor_leak_into_a_deploy(story: Story) -> None:
    """In the tree that serves, in the fetched repository, and committed there."""
    fetched = f"{BUILD}/repository.hg"
    number = story.entry()["number"]
    story.host.shell(f"echo 'x = (' >> {HOME}/releases/{number}/playbill/__init__.py")
    story.host.shell(
        f"cd {fetched} && hg update --quiet live && echo leak > leak && hg add --quiet leak &&"
        "hg commit --user Eve --message Leak && echo 'edited' > manage.py && rm -r shows",
        user="playbill-build",
    )
    story.go_to("live")
    tip = story.commit("v2", "After the edits")
    story.deploy()
    assert (story.serves(), story.version()) == (tip, "v2")
    tree = f"{HOME}/releases/{story.entry()['number']}"
    assert story.host.run(["test", "-e", f"{tree}/leak"], check=False).returncode != 0
    assert "edited" not in story.host.shell(f"cat {tree}/manage.py")
    assert story.host.shell(f"ls -A {tree} | grep '^[.]hg' || true").split() == [".hgtags"]
    assert story.host.shell(f"find {tree}/ -name '*.py' -perm /o=rwx") == ""
    # A rollback to that release is one to what is on the disk, so the edit is taken back.
    story.host.shell(f"sed -i '$d' {HOME}/releases/{number}/playbill/__init__.py")


# -- rollbacks ------------------------------------------------------------------------------------


def test_the_number_of_a_release_wins(story: Story) -> None:
    changeset = story.node("2")
    with Load(story.host) as load:
        run = story.run("rollback.yml", "-e", "rev=2")
    assert load.failures == 0, str(load)
    assert story.entry()["number"] == 2
    assert f"by its own number, not the changeset 2:{changeset[:12]}" in run.stdout


def test_rollback_to_a_local_number_with_a_migration(story: Story) -> None:
    """As with `rollback to revision 42 with migration=bar.0007` of old.

    The release that serves cannot live without its column, so visitors see the maintenance page.
    """
    assert story.number("desc('First night')") == "42"
    run = story.run("rollback.yml", "-e", "rev=42", "-e", "migration=shows.0001")
    assert "the local number 42); it serves localhost." in run.stdout
    assert (story.entry()["number"], story.version()) == (1, "v1")
    assert story.applied() == ["0001_initial"]


def test_rollback_to_a_tag_a_bookmark_and_a_hash(story: Story) -> None:
    for rev in ("v2.1", story.node("staging")[:12], "spring"):
        before = story.serves()
        story.run("rollback.yml", "-e", f"rev={rev}")
        assert story.serves() != before
    assert story.serves() == story.node("bookmark(spring)")
    said = story.refuse("-e", "rev=spring-2", playbook="rollback.yml")
    assert "rev is 'spring-2': that is no number, tag or commit of a release on this host" in said


# -- a release that cannot start ------------------------------------------------------------------


def test_a_crash_at_import_leaves_the_old_release_serving(story: Story) -> None:
    story.go_to("live")
    story.commit("v4", "Hire an understudy")
    serving = story.serves()
    with Load(story.host) as load:
        run = story.deploy(check=False)
    assert load.failures == 0, str(load)
    assert run.returncode != 0
    assert "The understudy forgot the lines" in run.output
    assert story.serves() == serving
    mended = story.commit("v6", "Mend it")
    story.deploy()
    assert (story.serves(), story.version()) == (mended, "v6")


# -- private repositories -------------------------------------------------------------------------


def test_over_ssh_with_the_deploy_key(story: Story) -> None:
    address = f"ssh://deploy@localhost/{ON_HOST}"
    story.set(app_repository=address)
    assert "No ED25519 host key is known for localhost" in story.refuse()
    known = story.host.shell("cut -d' ' -f1-2 /etc/ssh/ssh_host_ed25519_key.pub").strip()
    story.set(checkout_known_hosts=[f"localhost {known}"])
    public = story.host.shell(f"cat {ACCESS}/.ssh/deploy_key.pub").strip()
    said = story.refuse()
    assert "Permission denied" in said
    assert public in said
    story.host.run(["tee", "-a", "/home/deploy/.ssh/authorized_keys"], stdin=f"{public}\n")
    tip = story.commit("v6", "Over ssh", notes="ssh")
    assert f"({tip[:10]}" in story.deploy("--check").stdout
    story.deploy()
    assert story.serves() == tip
    story.write(app_repository=f"ssh://deploy@localhost{GIT_ON_HOST}")
    assert is_of(f"ssh://deploy@localhost{GIT_ON_HOST}", "hg", "git") in story.refuse()
    story.write(app_source_control="git")
    assert is_of(address, "git", "hg") in story.refuse()


def test_over_https_with_a_token(story: Story) -> None:
    """Whatever characters are in it, and without a word of it anywhere."""
    story.host.shell(
        "set -e; cd /root;"
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2 "
        "-subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null;"
        "cp tls.crt /usr/local/share/ca-certificates/hg-server.crt;"
        "update-ca-certificates >/dev/null 2>&1"
    )
    story.host.run(["tee", "/root/server.py"], stdin=HTTPS_SERVER)
    story.host.run(["install", "-m", "600", "/dev/stdin", "/root/token"], stdin=TOKEN)
    serve = ["systemd-run", "--quiet", "--unit=hg-https", "--setenv=HGRCPATH=/dev/null"]
    story.host.run([*serve, "python3", "/root/server.py"])
    connect = "import socket; socket.create_connection(('localhost', 8443))"
    for _ in range(100):
        if not story.host.run(["python3", "-c", connect], check=False).returncode:
            break
        time.sleep(0.05)
    tip = story.commit("v6", "Over https", notes="https")
    story.set(app_repository="https://localhost:8443/playbill", checkout_token="wr0ng-token")
    said = story.refuse("-vvv")
    assert "authorization failed" in said
    assert "wants an access token (checkout_token, checkout_user)" in said
    assert "wr0ng" not in said
    story.set(checkout_token=TOKEN)
    outputs = [story.prepare("-vvv", "--diff"), story.deploy("-vvv", "--diff")]
    assert story.serves() == tip
    for output in outputs:
        assert "s3cret" not in output.output
    stat = story.host.shell(f"stat -c '%U:%G %a' {ACCESS}/.hg-credentials").strip()
    assert stat == "root:playbill-build 640"
    assert "s3cret" not in story.host.shell("journalctl --no-pager --all")
    for user in ("playbill", "www-data", "nobody"):
        grep = ["grep", "-rla", "s3cret", "/srv", "/etc", "/tmp", "/run", "/var", "/home"]
        assert story.host.run(grep, user=user, check=False).stdout == ""
    story.write(app_source_control="git")
    assert "is a repository of hg" in story.refuse()
    story.set(app_repository=ON_HOST, checkout_token="")
    assert "s3cret" not in story.host.shell(f"cat {ACCESS}/.hg-credentials")


def test_the_current_release_comes_up_after_a_reboot(story: Story) -> None:
    serving, version = story.serves(), story.version()
    story.host.reboot()
    assert (story.serves(), story.version()) == (serving, version)
