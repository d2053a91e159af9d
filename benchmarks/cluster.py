"""Where builds are made: one process, two, and a Dask cluster of two workers; and what more workers would give.

The first table is measured, by the clock: the 97 sources of the demo, which are many and small. The second is a
simulation: the measured times of planning, of each chunk and of finishing a source of many images, repeated to the size
of a whole Med-MAT, are scheduled on more workers than there are here. Workers take the next chunk as soon as it is
planned, in one process; nothing is assumed about disks, which a cluster must share.
"""

from __future__ import annotations

import heapq
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.passthrough import raw_folder
from med_mat.building import Options, build, find, session, stream
from med_mat.demo import miniature

#: JPEGs of 16 kB in the source whose times are measured: four chunks.
IMAGES = 8_192
#: Images of the simulated Med-MAT: about what all of its sources have together.
WHOLE = 2_000_000
WORKERS = (1, 2, 16, 64, 256)


@contextmanager
def dask(folder: Path, workers: int) -> Iterator[str]:
    """A Dask cluster of processes on this machine: its address."""
    port = 18_786
    common = [sys.executable, "-m"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", "--nthreads", "1", "--no-dashboard"]
    worker += ["--local-directory", str(folder)]
    with (folder / "dask.log").open("wb") as log:
        started = [subprocess.Popen([*common, *scheduler], stdout=log, stderr=log)]
        started += [subprocess.Popen([*common, *worker], stdout=log, stderr=log) for _ in range(workers)]
    try:
        while (folder / "dask.log").read_text("utf-8").count("Registered to") < workers:
            time.sleep(0.1)
        yield f"dask://127.0.0.1:{port}"
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def many_small(root: Path) -> None:
    """The 97 sources of the demo, built in three ways."""
    miniature(root / "raw")
    found = find(None, root / "raw")
    out = iter(range(1_000))

    def once(jobs: int | None) -> float:
        start = time.perf_counter()
        build(found, root / f"out{next(out)}", Options(jobs=jobs))
        return time.perf_counter() - start

    once(1)
    with dask(root, 2) as address, session(address):
        once(None)
        on_cluster = min(once(None) for _ in range(2))
    once(2)
    here = min(once(2) for _ in range(2))
    alone = min(once(1) for _ in range(2))
    print(f"\n{len(found)} small sources, by the clock")
    print(f"  1 process                          {alone:>6.1f} s")
    print(f"  2 processes                        {here:>6.1f} s   {alone / here:.2f} x")
    print(f"  Dask, 2 workers of 1 thread        {on_cluster:>6.1f} s   {here / on_cluster:.2f} x two processes")


def measured(root: Path) -> tuple[float, list[float], float, int]:
    """Seconds of planning a chunk, of writing each chunk, and of all that follows the last one; and images a chunk."""
    raw = raw_folder(root / "ct_kidney", IMAGES, 192, "RGB", 86)
    planning, writing, sizes = [0.0], [], []
    next_call, write_chunk = stream._Stream._next, stream.write_chunk

    def planned(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return next_call(*arguments)
        finally:
            planning[0] += time.perf_counter() - start

    def written(chunk: Any, *more: Any) -> Any:
        start = time.perf_counter()
        result = write_chunk(chunk, *more)
        writing.append(time.perf_counter() - start)
        sizes.append(result.examples)
        return result

    with mock.patch.object(stream._Stream, "_next", planned), mock.patch.object(stream, "write_chunk", written):
        for number in range(2):  # the first time, modules are imported
            planning[0] = 0.0
            writing.clear()
            sizes.clear()
            start = time.perf_counter()
            build(find({"ct_kidney": raw}, None), root / f"out{number}", Options(jobs=1))
    rest = time.perf_counter() - start - sum(writing) - planning[0]
    return planning[0] / len(writing), writing[:-1] or writing, rest, max(sizes)


def scheduled(workers: int, planning: float, writing: Sequence[float], finishing: float) -> float:
    """Seconds that a build takes: chunks are planned one after another, and each goes to the first free worker."""
    free = [0.0] * workers
    planned = last = 0.0
    for seconds in writing:
        planned += planning
        end = max(heapq.heappop(free), planned) + seconds
        heapq.heappush(free, end)
        last = max(last, end)
    return last + finishing


def many_workers(root: Path) -> None:
    """A simulation of more workers than there are here."""
    planning, writing, rest, size = measured(root)
    chunks = WHOLE // size
    repeated = [writing[number % len(writing)] for number in range(chunks)]
    finishing = rest / IMAGES * WHOLE
    print(f"\nSimulated: {WHOLE:,} images of 16 kB in {chunks:,} chunks; measured: planning {planning:.2f} s a chunk,")
    print(f"writing {min(writing):.1f} to {max(writing):.1f} s a chunk, finishing {finishing:,.0f} s in one process")
    one = scheduled(1, planning, repeated, 0)
    for workers in WORKERS:
        chunked, whole = (scheduled(workers, planning, repeated, more) for more in (0, finishing))
        print(
            f"  {workers:>4} workers   chunks {chunked / 60:>6.1f} min, {one / chunked:>5.1f} x"
            f"   with the finish {whole / 60:>6.1f} min, {(one + finishing) / whole:>5.1f} x"
        )
    print(f"  Planning alone takes {planning * chunks / 60:.1f} min: no number of workers is faster.")


def main() -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        many_small(Path(first))
        many_workers(Path(second))


if __name__ == "__main__":
    main()
