"""The host that everything starts from is as bare as a new server, and really boots."""

from host import Host


def test_systemd_has_booted(bare_host: Host) -> None:
    assert bare_host.state == "running"
    assert bare_host.shell("systemctl is-system-running").strip() == "running"
    assert bare_host.shell("systemctl list-units --failed --no-legend") == ""


def test_deploy_logs_in_and_becomes_root(bare_host: Host) -> None:
    assert bare_host.shell("id -un", user="deploy") == "deploy\n"
    assert bare_host.shell("id -un") == "root\n"


def test_there_is_python_and_no_more(bare_host: Host) -> None:
    assert bare_host.shell("command -v python3").strip() == "/usr/bin/python3"
    for program in ("git", "hg", "nginx", "uv", "pip3", "gcc"):
        assert bare_host.run(["sh", "-c", f"command -v {program}"], check=False).stdout == "", (
            program
        )


def test_a_memory_limit_holds(bare_host: Host) -> None:
    """Without a control group of its own, the container's limits would be the machine's."""
    limits = ["-p", "MemoryMax=30M", "-p", "MemorySwapMax=0"]
    eat = ["python3", "-c", "bytearray(200_000_000)"]
    greedy = bare_host.run(["systemd-run", "--wait", "--quiet", *limits, *eat], check=False)
    assert greedy.returncode != 0


def test_a_reboot_brings_it_back(bare_host: Host) -> None:
    before = bare_host.shell("cat /etc/machine-id; cat /proc/sys/kernel/random/boot_id")
    bare_host.shell("touch /root/kept")
    bare_host.reboot()
    assert bare_host.state == "running"
    assert bare_host.shell("ls /root") == "kept\n"
    assert bare_host.shell("cat /etc/machine-id") in before


def test_packages_can_be_installed(bare_host: Host) -> None:
    bare_host.shell(
        "apt-get -qq update && apt-get -qq install -y --no-install-recommends hello >/dev/null"
    )
    assert bare_host.shell("hello", user="deploy") == "Hello, world!\n"
