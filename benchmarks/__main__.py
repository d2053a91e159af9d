"""``python -m benchmarks [passthrough] [dicom] [selecting] [importing] [memory]``: all, or some."""

from __future__ import annotations

import importlib
import sys

NAMES = ("importing", "selecting", "passthrough", "dicom", "memory")

for name in sys.argv[1:] or NAMES:
    importlib.import_module(f"benchmarks.{name}").main()
