"""What systemd runs of Greenroom's is confined: every unit that is installed, whatever its name.

One host, with SQLite first and PostgreSQL afterwards, so that the backup is seen to do its work in
there with both.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from host import Host
from project import HOME, Project

from tests.end_to_end.test_backups import add, snapshots
from tests.end_to_end.test_trust_database import SETTINGS

pytestmark = pytest.mark.story

#: systemd's own scale: 0 is confined best, 10 is not confined at all
MOST = 2.5
MOST_OF_THE_APP = 1.5

# The units that no package brought. After site.yml on a bare host, those are Greenroom's.
OURS = r"""
find /etc/systemd /usr/local/lib/systemd /run/systemd/system -name '*.service' -type f |
while read -r path; do
    dpkg --search "*/systemd/system/${path##*/}" >/dev/null 2>&1 || echo "${path##*/}"
done
"""

# What the app's settings try when they are imported: each entry says what came of it.
ATTEMPTS = """
import json, subprocess

def tried(function):
    try:
        return str(function())
    except Exception as error:
        return type(error).__name__

def own():
    with open("/opt/the-apps-own/file", "w") as file: file.write("x")

def others():
    found = [name for name in os.listdir("/proc") if name.isdigit()]
    return sorted({os.stat("/proc/" + name).st_uid for name in found} - {os.getuid()})

if "INVOCATION_ID" not in os.environ:  # the service's own start has that
    with open("/srv/playbill/shared/tried.json", "w") as file:
        json.dump({
            "own": tried(own),
            "others": tried(others),
            "namespace": str(subprocess.call(
                ["unshare", "--user", "true"], stderr=subprocess.DEVNULL
            ) == 0),
        }, file)
"""

EITHER = """
if "DATABASE_URL" in os.environ:
""" + "\n".join("    " + line for line in SETTINGS.strip().splitlines())


@pytest.fixture(scope="module")
def site(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A site whose settings look how far they get."""
    project = Project.make(host, tmp_path_factory.mktemp("trust-units"))
    host.shell("install -d -o playbill /opt/the-apps-own")
    project.commit(
        {"requirements.txt": "django==5.2.18\npsycopg[binary]==3.2.13\n"},
        settings=EITHER + ATTEMPTS,
    )
    project.configure()
    project.deploy()
    add(project, "first")
    return project


def exposure(host: Host, unit: str) -> float:
    """What `systemd-analyze security` makes of it."""
    said = host.run(["systemd-analyze", "security", "--no-pager", unit]).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found, said
    return float(found[1])


def back_up_by_the_clock(project: Project) -> dict[str, Any]:
    """Have the timer's service run, as the timer does; what is in the snapshot that it takes."""
    host = project.host
    before = set(snapshots(host))
    host.run(["rm", "-f", f"{HOME}/shared/tried.json"])
    host.run(["systemctl", "start", "playbill-backup.service"])
    [new] = set(snapshots(host)) - before
    assert snapshots(host)[new]["reason"] == "by the clock"
    return dict(snapshots(host)[new]["databases"]["default"])


def test_every_unit_is_confined(site: Project) -> None:
    host = site.host
    units = host.shell(OURS).split()
    assert {"playbill@.service", "playbill-backup.service"} <= set(units)
    found = {
        unit: exposure(host, unit.replace("@.", f"@{site.serving()}.")) for unit in sorted(units)
    }
    above = {
        unit: score
        for unit, score in found.items()
        if score > (MOST_OF_THE_APP if unit == "playbill@.service" else MOST)
    }
    assert above == {}, found


def test_no_unit_is_without_a_file_of_its_own(site: Project) -> None:
    """What is started on the spot has no file, and would not be seen above."""
    running = site.host.shell(
        "systemctl list-units --type=service,scope --state=running --plain --no-legend"
    )
    ours = [line.split()[0] for line in running.splitlines() if "playbill" in line]
    assert ours == [f"playbill@{site.serving()}.service"]


def test_a_backup_of_sqlite(site: Project) -> None:
    assert back_up_by_the_clock(site)["engine"] == "sqlite"


def test_the_apps_code_is_confined_in_there(site: Project) -> None:
    """As in its own unit: it writes to its own folders alone, and sees nobody else's processes."""
    back_up_by_the_clock(site)
    tried = json.loads(site.host.run(["cat", f"{HOME}/shared/tried.json"]).stdout)
    assert tried == {"own": "OSError", "others": "[]", "namespace": "False"}


def test_nothing_is_left_when_it_has_ended(site: Project) -> None:
    state = site.host.shell("systemctl show -P ActiveState -P Result playbill-backup.service")
    assert sorted(state.split()) == ["inactive", "success"]
    lock = site.host.run(["test", "-e", f"{HOME}/lock.json"], check=False)
    assert lock.returncode != 0
    modes = site.host.shell(f"find {HOME}/backups -printf '%y %m %u:%g\\n' | sort -u").splitlines()
    assert modes == ["d 700 root:root", "f 600 root:root"]


def test_a_backup_of_postgresql(site: Project) -> None:
    site.variables["app_database"] = "postgresql"
    site.configure()
    site.host.prepare("database")
    site.deploy()
    add(site, "second")
    about = back_up_by_the_clock(site)
    assert (about["engine"], about["migrations"]) == ("postgresql", ["notes.0001_initial"])
