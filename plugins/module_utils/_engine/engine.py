# PRIVATE to the collection: what starts the engine that it lies in, as root and with nothing but
# the standard library.
#
#   engine.py step NAME         runs a step; its request is on standard input, see _module.py
#   engine.py backup ARGUMENTS  takes a snapshot at a time of the day, see _backup_program.py
from __future__ import annotations

import fcntl
import importlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PLUGINS = "ansible_collections.greenroom.django.plugins"


def main() -> None:
    """Hold the engine for as long as this works, so that nobody removes it."""
    engine = os.open(HERE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(engine, fcntl.LOCK_SH)
    os.chdir("/")
    sys.path.insert(0, HERE)
    what, *arguments = sys.argv[1:]
    if what == "step":
        importlib.import_module(f"{PLUGINS}.modules.{arguments[0]}").main()
    else:
        sys.exit(importlib.import_module(f"{PLUGINS}.module_utils._{what}_program").main(arguments))


if __name__ == "__main__":
    main()
