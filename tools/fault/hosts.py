"""The hosts that faults happen to."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from example import provision
from host import Host
from upstart_host import UpstartHost, upstart_image

from fault.disks import small_disk
from fault.model import SMALL_DISK, UPSTART, Fault, Row, try_one
from fault.site import Site


def provisioned_image() -> str:
    """Make the image of a host after site.yml, and return its name."""
    with tempfile.TemporaryDirectory() as folder, Host.start("faults-0") as first:
        provision(first, Path(folder) / "first")
        return first.commit("faults")


@dataclass
class FaultHosts:
    """The hosts that faults happen to: one for each database and kind, made when it is needed."""

    image: str
    folder: Path
    name: str = "faults"
    _sites: dict[tuple[str, str], Site] = field(default_factory=dict)

    def site(self, database: str, kind: str) -> Site:
        """Return the site on one of them."""
        if (database, kind) not in self._sites:
            name, place = f"{self.name}-{database}-{kind}", Path(tempfile.mkdtemp(dir=self.folder))
            if kind == UPSTART:
                host: Host = UpstartHost.start(name, upstart_image(self.image))
            else:
                host = Host.start(name, self.image)
            if kind == SMALL_DISK:
                small_disk(host)
            manager = "upstart" if kind == UPSTART else "systemd"
            self._sites[database, kind] = Site.make(host, place, database, manager)
        return self._sites[database, kind]

    def try_one(self, fault: Fault, database: str) -> Row:
        """Have a fault happen. Where a promise was broken, the next one gets another host."""
        row = try_one(self.site(database, fault.host), fault)
        if not row.is_good:
            self._sites.pop((database, fault.host)).host.destroy()
        return row

    def __enter__(self) -> FaultHosts:
        return self

    def __exit__(self, *_: object) -> None:
        for site in self._sites.values():
            site.host.destroy()
