"""The processes that write chunks: this one, or joblib's workers, which never outlive it."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Processes for each core, at most: chunks are decoded, which is a processor's work, and read, which waits a little.
_PER_CORE = 2

_LOOK_SECONDS = 1.0  # how often a worker looks whether its parent still lives


def enough(jobs: int | None) -> int | None:
    """As many processes as were asked for, or as help: more of them share the same cores, and each takes memory."""
    if jobs is None or jobs <= 1:
        return jobs
    import joblib

    most = _PER_CORE * int(joblib.cpu_count())
    if jobs > most:
        log.warning("%d processes were asked for; %d are started, for no more help on this machine", jobs, most)
    return min(jobs, most)


def parallel(work: Callable[..., T], calls: Iterable[tuple[Any, ...]], jobs: int | None) -> Generator[T, None, None]:
    """Call a function many times, in this process or in joblib's workers; results come as they are ready.

    No more workers are started than there are calls.

    Close the iterator where it is not exhausted: the workers are gone when that returns.

    Args:
        work: the function.
        calls: the arguments of each call.
        jobs: processes; None: what joblib's ``parallel_config`` says, so also the user's Dask or Ray cluster, else 1.
    """
    calls = iter(calls)
    first = list(itertools.islice(calls, 1 if jobs is None else max(jobs, 1)))
    calls = itertools.chain(first, calls)
    if jobs == 1 or not first or (jobs is not None and jobs > len(first) == 1):
        yield from itertools.starmap(work, calls)
        return
    if jobs is not None and jobs > 0:
        jobs = min(jobs, len(first))
    import joblib
    from joblib.parallel import get_active_backend

    def pool() -> joblib.Parallel:
        return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")

    if type(get_active_backend()[0]).__name__ == "LokyBackend":
        with joblib.parallel_config("loky", initializer=_end_with, initargs=(os.getpid(),)):
            workers = pool()
    else:  # the user's own
        workers = pool()
    with closing(workers(joblib.delayed(work)(*call) for call in calls)) as results:
        yield from results


def _end_with(parent: int) -> None:
    """Have this process end when its parent does: a worker of loky would wait for more work for five minutes."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)  # what it was writing has a temporary name

    threading.Thread(target=look, name="ends with its parent", daemon=True).start()
