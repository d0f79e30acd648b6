"""One fault, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audience import Audience
from host import HostError

from fault.site import FaultError, Happening, Site, must

DATABASES = ("sqlite", "postgresql")

#: the kinds of hosts that faults happen to: under systemd, and with a small disk below /srv; under
#: upstart
PLAIN, SMALL_DISK, UPSTART = "plain", "small", "upstart"


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong at a step, and what should serve afterwards."""

    name: str
    step: str
    happen: Happening
    #: "before": what served; "new": another; "either", where the step had just changed it
    serves: str = "before"
    #: the kind of host that it needs
    host: str = PLAIN
    #: those that it can happen with
    databases: Sequence[str] = DATABASES


@dataclass(frozen=True)
class Row:
    """What became of one fault."""

    fault: Fault
    database: str
    requests: int
    failures: list[str]
    lost: list[str]
    #: seconds that the next deploy took
    next_deploy: float
    #: what Greenroom did not do as it promises; empty where all is well
    problem: str = ""

    @property
    def is_good(self) -> bool:
        """Whether all promises were kept."""
        return not (self.problem or self.failures or self.lost)

    def __str__(self) -> str:
        after = f"works, {self.next_deploy:.0f} s" if self.next_deploy else "NO"
        cells = (self.fault.name, self.fault.step, self.database, self.requests)
        numbers = (len(self.failures), len(self.lost), after)
        return "| " + " | ".join(str(cell) for cell in (*cells, *numbers)) + " |"


def try_one(site: Site, fault: Fault) -> Row:
    """Have a fault happen to a site with visitors, and look at everything afterwards."""
    problem, seconds = "", 0.0
    site.sql("DELETE FROM shows_show")  # a page with the rows of all faults takes its time
    before = site.serving()
    with Audience(site.host) as audience:
        site.audience = audience
        try:
            fault.happen(site)
            now = site.serving()
            must(now or fault.serves == "new", "nothing serves")
            must(fault.serves != "before" or now == before, f"{now} serves, and not {before}")
            must(fault.serves != "new" or now != before, f"{before} serves, as before")
            seconds = site.next_deploy()
        except (FaultError, HostError, OSError) as error:
            problem = f"{type(error).__name__}: {error}"
    try:
        lost = audience.missing()
    except OSError as error:
        lost, problem = audience.written, problem or f"nothing serves: {error}"
    return Row(fault, site.database, audience.requests, audience.failures, lost, seconds, problem)
