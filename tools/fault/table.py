"""All faults, in the order of their rows."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from moments import at

from fault.changes import (
    REQUIREMENTS,
    app_that,
    health_that,
    index_away,
    refused,
    repository_away,
)
from fault.damage import journal_damaged, journal_lost, stage_damaged, virtualenv_damaged
from fault.databases import (
    cut_meanwhile,
    cut_the_connection,
    cut_the_power,
    database_stopped,
    kill,
    kill_the_step,
    lose_power,
    stop_the_database,
)
from fault.disks import disk_full, disk_full_in_a_snapshot, inodes_gone
from fault.families import app_fault, life, power_cuts, restore_fault, reversal
from fault.interruptions import rebooted
from fault.migrations import migrations_that
from fault.model import SMALL_DISK, Fault
from fault.runs import by_two_people, during_a_rollback, lock_of_another_machine, many, two_at_once
from fault.steps import DEPLOY, RESTORE, ROLLBACK

NEVER = ("-e", "app_health_timeout=5")

FAULTS = [
    *life("deploy.yml", DEPLOY),
    *life("rollback.yml", ROLLBACK),
    reversal("controller killed after", kill),
    reversal("controller killed, and then a deploy, after", kill, first="deploy.yml"),
    reversal("controller killed during", partial(kill, while_it_works=True), moment="before"),
    reversal("step killed during", kill_the_step, moment="before", status=200),
    reversal("connection cut during", cut_the_connection, moment="before"),
    reversal("host rebooted after", cut_the_power),
    reversal("host rebooted during", partial(cut_the_power, while_it_works=True), moment="before"),
    reversal(
        "database stopped during", stop_the_database, moment="before", databases=["postgresql"]
    ),
    *(restore_fault("controller killed after", step) for step in RESTORE),
    *(restore_fault("controller killed during", step, moment="before") for step in RESTORE),
    restore_fault("connection cut during", "swap", happen=cut_meanwhile, moment="before"),
    restore_fault("host rebooted after", "swap", happen=lose_power),
    restore_fault("with its database, controller killed after", "swap", "rollback.yml"),
    restore_fault("with its database, controller killed after", "prove", "rollback.yml"),
    restore_fault(
        "with its database, host rebooted after", "swap", "rollback.yml", happen=lose_power
    ),
    *(
        Fault("host rebooted after", step, partial(rebooted, task=DEPLOY[step]))
        for step in ("prepare", "migrate")
    ),
    Fault(
        "host rebooted after",
        "hand over",
        partial(rebooted, task=DEPLOY["hand over"], again=True),
        "new",
    ),
    *(
        Fault("host rebooted during", step, partial(rebooted, task=DEPLOY[step], moment="before"))
        for step in ("migrate", "prove")
    ),
    Fault(
        "host rebooted during",
        "record",
        partial(rebooted, task=DEPLOY["record"], moment="before", again=True),
        "new",
    ),
    *power_cuts(),
    *(
        Fault(
            "database stopped before",
            step,
            partial(database_stopped, task=DEPLOY[step]),
            databases=["postgresql"],
        )
        for step in ("prepare", "migrate", "prove", "hand over")
    ),
    Fault(
        "database stopped during",
        "migrate",
        partial(database_stopped, task=DEPLOY["migrate"], while_it_works=True),
        databases=["postgresql"],
    ),
    *(
        Fault(
            "rollback: database stopped before",
            step,
            partial(database_stopped, task=ROLLBACK[step], playbook="rollback.yml"),
            databases=["postgresql"],
        )
        for step in ("prove", "hand over")
    ),
    *(
        Fault("disk full", step, partial(disk_full, task=DEPLOY[before]), host=SMALL_DISK)
        for before, step in pairwise(("begin", "fetch", "make", "build", "prepare"))
    ),
    Fault(
        "disk full before a snapshot",
        "migrate",
        lambda site: disk_full(
            site, DEPLOY["prepare"], "A snapshot may need", migrations_that("pass")
        ),
        host=SMALL_DISK,
    ),
    Fault("disk full in a snapshot", "migrate", disk_full_in_a_snapshot, host=SMALL_DISK),
    *(
        Fault(
            "no inode left",
            step,
            partial(inodes_gone, task=DEPLOY[before], says="No space left on device"),
            host=SMALL_DISK,
        )
        for before, step in pairwise(("fetch", "make", "build"))
    ),
    Fault("package index away", "build", index_away),
    Fault("repository away", "fetch", repository_away),
    Fault(
        "a dependency that does not build",
        "build",
        partial(
            refused,
            says="Building the virtualenv failed.*no compiler here",
            files={
                "requirements.txt": f"{REQUIREMENTS}./orchestra\n",
                "orchestra/pyproject.toml": '[build-system]\nrequires = []\nbackend-path = ["."]\n'
                'build-backend = "backend"\n[project]\nname = "orchestra"\nversion = "1"\n',
                "orchestra/backend.py": 'raise SystemExit("no compiler here")\n',
            },
        ),
    ),
    Fault(
        "a migration that fails half-way",
        "migrate",
        lambda site: refused(site, "forgotten", migrations_that('raise ValueError("forgotten")')),
    ),
    Fault(
        "a migration that hangs",
        "migrate",
        lambda site: refused(
            site,
            "did not end within 5 seconds",
            migrations_that("time.sleep(3600)", atomic=False),
            env=at("before", DEPLOY["migrate"], arguments={"timeout": 5}),
        ),
    ),
    Fault(
        "a migration that is killed",
        "migrate",
        lambda site: refused(site, r"exit -9", migrations_that("os.kill(os.getpid(), 9)")),
    ),
    app_fault(
        "crashes when it is imported",
        app_that('raise RuntimeError("Stage fright")'),
        "Stage fright",
    ),
    app_fault(
        "answers 500",
        health_that('raise RuntimeError("The spotlight is broken")'),
        "500 Internal Server Error",
    ),
    app_fault(
        "answers only after a minute",
        health_that("time.sleep(60)"),
        "what came was no answer",
        *NEVER,
    ),
    app_fault("listens never", app_that("time.sleep(3600)"), "what came was no answer", *NEVER),
    app_fault(
        "eats all memory",
        app_that("hoard = [bytearray(2**20) for _ in range(1000)]"),
        "did not prove itself",
        *NEVER,
    ),
    app_fault(
        "forks and dies", app_that("os.fork() and os._exit(1)"), "did not prove itself", *NEVER
    ),
    Fault("two deploys at the same moment", "begin", two_at_once, "new"),
    Fault("a deploy during a rollback", "begin", during_a_rollback, "new"),
    Fault("a deploy by another person, from another machine", "begin", by_two_people, "new"),
    Fault("the lock of a controller elsewhere that died", "begin", lock_of_another_machine),
    Fault("journal damaged by hand", "begin", journal_damaged),
    Fault("journal lost", "begin", journal_lost, "new"),
    Fault(
        "current removed by hand", "begin", partial(stage_damaged, script="rm current"), "either"
    ),
    Fault(
        "current points nowhere",
        "begin",
        partial(stage_damaged, script="ln -sfn releases/9999 current"),
        "either",
    ),
    Fault(
        "current points at no release",
        "begin",
        partial(
            stage_damaged,
            script="ln -sfn /etc current",
            says="which is not a release.*rm -r /srv/playbill/current",
        ),
        "either",
    ),
    Fault(
        "current is a folder",
        "begin",
        partial(
            stage_damaged,
            script="rm current && mkdir current",
            says="should be a symbolic link.*rm -r /srv/playbill/current",
        ),
        "either",
    ),
    Fault(
        "a virtualenv without its Python",
        "build",
        partial(virtualenv_damaged, script="rm bin/python*"),
    ),
    Fault(
        "a virtualenv without a package",
        "build",
        partial(virtualenv_damaged, script="rm -r lib/python3*/site-packages/sqlparse"),
    ),
    Fault(
        "a virtualenv removed",
        "build",
        partial(stage_damaged, script='rm -r "$(readlink -f current/.venv)"'),
        "either",
    ),
    Fault("300 releases in a row", "record", many, "new"),
]
