"""Side by side: several ways to do one thing, in turn, the best of each; and how much memory a process took."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def compare(ways: Mapping[str, Callable[[], object]], repeats: int = 3) -> dict[str, float]:
    """Run the ways in turn, ``repeats`` rounds, and return the best time of each, in seconds."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def table(title: str, best: Mapping[str, float], *, per: int = 1, unit: str = "s") -> None:
    """Print the times, and how many times faster than each other way the first one is."""
    print(f"\n{title}")
    names = list(best)
    for name in names:
        rate = f"{per / best[name]:>12,.0f} {unit}/s" if per > 1 else f"{best[name] * 1000:>12,.2f} ms"
        ratio = "" if name == names[0] else f"   ours is {best[name] / best[names[0]]:.2f} x as fast"
        print(f"  {name:<58}{rate}{ratio}")


def peak_memory() -> int:
    """The most memory that this process has held, in MB (Linux).

    Not ``ru_maxrss``, which begins with that of the process that started this one.
    """
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text("utf-8"))
    if found is None:
        raise OSError("/proc/self/status does not tell the peak memory.")
    return int(found[1]) // 1024
