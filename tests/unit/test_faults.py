"""The table of faults: what make test tries of it, and how its page is kept."""

from __future__ import annotations

import faults_fleet
from fault.model import PLAIN, SMALL_DISK
from fault.report import PAGE, first_cells, with_row
from fault.selection import QUICK, quick, wanted
from fault.steps import DEPLOY, ROLLBACK
from fault.table import FAULTS


def test_the_quick_part_has_every_step_that_changes_something() -> None:
    elsewhere = {"begin", "fetch", "make", "choose", "prove"}
    assert {fault.step for fault, _ in quick()} == {*DEPLOY, *ROLLBACK, "reverse"} - elsewhere
    assert len(quick()) == len(QUICK), "each of them is a fault"


def test_the_quick_part_needs_one_host_for_each_database() -> None:
    hosts = {(database, fault.host) for fault, database in quick()}
    assert hosts == {("sqlite", SMALL_DISK), ("postgresql", PLAIN)}


def test_no_two_faults_share_a_row() -> None:
    rows = [(fault.name, fault.step) for fault in FAULTS]
    assert len(rows) == len(set(rows))


def test_words_choose_faults_and_databases() -> None:
    assert len(wanted()) == sum(len(fault.databases) for fault in FAULTS)
    assert {database for _, database in wanted(["postgresql"])} == {"postgresql"}
    chosen = wanted(["sqlite", "inode"])
    assert {(fault.name, fault.step, database) for fault, database in chosen} == {
        ("no inode left", "make", "sqlite"),
        ("no inode left", "build", "sqlite"),
    }


def test_the_page_has_a_row_for_each_fault_and_database() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [f"| {fault.name} | {fault.step} | {database} |" for fault, database in wanted()]
    own = rows[2 : rows.index(faults_fleet.TABLE.splitlines()[0])]
    assert [first_cells(row) for row in own] == [first_cells(each) for each in cells]


def test_a_row_is_written_and_the_others_stay() -> None:
    page = PAGE.read_text()
    row = "| disk full | build | postgresql | 1 | 2 | 3 | works, 4 s |"
    written = with_row(page, row).splitlines()
    changed = set(page.splitlines()) ^ set(written)
    assert row in written
    assert all("| disk full | build | postgresql |" in line for line in changed)
    assert with_row("\n".join(written) + "\n", row).splitlines() == written


def test_the_second_table_has_a_row_for_each_fault_of_a_fleet() -> None:
    page = PAGE.read_text()
    names = [fault.name for fault in faults_fleet.FAULTS]
    rows = page.partition(faults_fleet.TABLE)[2].splitlines()
    assert [row.split("|")[1].strip() for row in rows] == names
    row = f"| {names[1]} | hand over | 1 | 2 | 3 | works, 4 s |"
    written = faults_fleet.with_row(page, row)
    assert row in written
    assert len(written.splitlines()) == len(page.splitlines())
    assert faults_fleet.with_row(written, row) == written
