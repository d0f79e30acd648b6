#!/usr/bin/env python3
"""Breaks deploys and rollbacks in every way that we could think of, and looks what is left.

tools/faults.py [WORDS...]    every fault, or those with one of the words in their name and step

A word that is a database, such as postgresql, leaves out the others. What was seen goes into the
table in docs/reliability.md, row by row; the other rows stay as they are.

Under a trickle of visitors who read and write, each fault happens to a deploy or a rollback. Then:
what should serve serves, every row that was taken is there, no request failed that a healthy site
would have answered, and the next deploy works with no hand on the host, on a schema that fits.
The parts are in the folder fault: table.py is the list.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fault.hosts import FaultHosts, provisioned_image
from fault.model import DATABASES
from fault.report import report
from fault.selection import wanted
from host import default_image, key


def main(words: Sequence[str]) -> int:
    """Try them, with the databases side by side; returns the exit status."""
    key()  # made once, before two ask for it
    default_image()
    image = os.environ.get("GREENROOM_IMAGE") or provisioned_image()

    def try_all(database: str) -> bool:
        all_good = True
        with tempfile.TemporaryDirectory() as folder, FaultHosts(image, Path(folder)) as hosts:
            for fault, its_database in wanted(words):
                if its_database == database:
                    row = hosts.try_one(fault, database)
                    report(row)
                    all_good &= row.is_good
        return all_good

    with ThreadPoolExecutor(len(DATABASES)) as pool:
        return 0 if all(list(pool.map(try_all, DATABASES))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
