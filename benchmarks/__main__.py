"""``python -m benchmarks [NAME]...``: all of :data:`NAMES`, or some."""

from __future__ import annotations

import importlib
import sys

NAMES = ("importing", "selecting", "splitting", "passthrough", "dicom", "memory", "duplicates", "grouping")

for name in sys.argv[1:] or NAMES:
    importlib.import_module(f"benchmarks.{name}").main()
