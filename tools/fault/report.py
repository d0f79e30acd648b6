"""The table in docs/reliability.md, row by row."""

from __future__ import annotations

import sys
import threading

from host import CHECKOUT

from fault.model import Row
from fault.site import must
from fault.table import FAULTS

PAGE = CHECKOUT / "docs" / "reliability.md"

#: the head of the table on the page, below which this writes; the words are people's
TABLE = """\
| fault | step | database | requests | failed | rows lost | next deploy |
| --- | --- | --- | --- | --- | --- | --- |
"""


def with_row(page: str, row: str) -> str:
    """The page with a row of its table as it is known now; the others stay as they are.

    A fault that was never tried has a row that says so, and one that is no more has none.
    """
    before, found, after = page.partition(TABLE)
    must(found, f"{PAGE} has no such table:\n{TABLE}")
    rows = {}
    while after.startswith("|"):
        line, _, after = after.partition("\n")
        rows[first_cells(line)] = line
    rows[first_cells(row)] = row
    for fault in FAULTS:
        for database in fault.databases:
            cells = f"| {fault.name} | {fault.step} | {database} |"
            known = rows.get(first_cells(cells), f"{cells} not tried yet | | | |")
            found += f"{known}\n"
    return before + found + after


def first_cells(row: str) -> str:
    """What tells a row from the others: fault, step and database."""
    return "|".join(row.split("|")[:4])


writing = threading.Lock()


def report(row: Row) -> None:
    """Print a row, and write it to the page: a run that is stopped has not been for nothing."""
    with writing:
        print(row, flush=True)
        for line in [row.problem, *row.failures[:5], *row.lost[:5]]:
            if line:
                print(f"    {line}", file=sys.stderr, flush=True)
        PAGE.write_text(with_row(PAGE.read_text(), str(row)))
