"""``python -m benchmarks [NAME]...``: all of :data:`NAMES`, or some; a number is how many pictures ``grouping`` has."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "importing",
    "selecting",
    "splitting",
    "exporting",
    "passthrough",
    "writers",
    "cluster",
    "training",
    "containers",
    "dicom",
    "memory",
    "hostile",
    "duplicates",
    "grouping",
    "blind",
    "scoring",
    "encoding",
)

for name in [one for one in sys.argv[1:] if not one.isdecimal()] or NAMES:
    importlib.import_module(f"benchmarks.{name}").main()
