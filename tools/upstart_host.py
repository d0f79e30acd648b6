"""A host whose first process is the stand-in for upstart, in tests/end_to_end/upstart."""

from __future__ import annotations

import time

from host import CHECKOUT, Host, command

STAND_IN = CHECKOUT / "tests" / "end_to_end" / "upstart"


class UpstartHost(Host):
    """A host with the stand-in for upstart as its first process."""

    def _boot_state(self) -> str:
        listed = command("docker", "exec", self.container, "initctl", "list", check=False).stdout
        if "ssh start/running" in listed and "rc stop/waiting" in listed:
            return "running"
        time.sleep(0.1)
        return listed

    def journal(self, lines: int = 60) -> str:
        """The ends of all logs of jobs."""
        tail = f"tail --lines={lines} /var/log/upstart/*.log"
        return command("docker", "exec", self.container, "sh", "-c", tail, check=False).stdout


def upstart_image(provisioned_image: str) -> str:
    """Return the image of a host under upstart that was prepared before, under systemd."""
    image = f"{provisioned_image}-upstart"
    base = f"--build-arg=BASE={provisioned_image}"
    command("docker", "build", "--quiet", "--tag", image, base, STAND_IN)
    return image
