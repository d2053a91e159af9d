"""The processes that write chunks: the current one, joblib workers, which never outlive it, or those of a cluster."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from med_mat.building import cluster
from med_mat.errors import LostWorkerError

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Maximum number of processes per core: decoding uses the processor, reading waits a little for the disk.
_PER_CORE = 2

_LOOK_SECONDS = 1.0  # interval at which a worker checks that its parent is alive


def enough(jobs: int | None) -> int | None:
    """The requested number of processes, limited to a useful number: more share the same cores and cost memory."""
    if jobs is None or jobs <= 1:
        return jobs
    import joblib

    most = _PER_CORE * int(joblib.cpu_count())
    if jobs > most:
        log.warning("%d processes were asked for; %d are started, for no more help on this machine", jobs, most)
    return min(jobs, most)


def parallel(work: Callable[..., T], calls: Iterable[tuple[Any, ...]], jobs: int | None) -> Generator[T, None, None]:
    """Call a function many times, in this process or in joblib workers, and yield results as they become ready.

    At most as many workers are started as there are calls. If the iterator is not exhausted, close it: closing waits
    until the workers have ended.

    Args:
        work: the function.
        calls: the arguments of each call.
        jobs: number of processes; None: from joblib's ``parallel_config``, which may be the user's Dask or Ray
            cluster, otherwise 1.

    Raises:
        LostWorkerError: a worker was killed.
    """
    if jobs != 1 and (engine := cluster.active()) is not None:
        yield from engine.spread(work, calls)
        return
    calls = iter(calls)
    first = list(itertools.islice(calls, 1 if jobs is None else max(jobs, 1)))
    calls = itertools.chain(first, calls)
    if jobs == 1 or not first or (jobs is not None and jobs > len(first) == 1):
        yield from itertools.starmap(work, calls)
        return
    if jobs is not None and jobs > 0:
        jobs = min(jobs, len(first))
    import joblib
    from joblib.externals.loky.process_executor import TerminatedWorkerError
    from joblib.parallel import get_active_backend

    def pool() -> joblib.Parallel:
        return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")

    if type(get_active_backend()[0]).__name__ == "LokyBackend":
        with joblib.parallel_config("loky", initializer=_end_with, initargs=(os.getpid(),)):
            workers = pool()
    else:  # the user's own backend
        workers = pool()
    try:
        results = workers(joblib.delayed(work)(*call) for call in calls)
        try:
            for result in results:  # noqa: UP028 (it would close them itself)
                yield result
        finally:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", r"\d+ tasks which were still being processed", UserWarning)
                results.close()
    except TerminatedWorkerError as error:
        raise LostWorkerError(
            "A worker process was killed, perhaps because memory ran out. Run the same command with fewer processes "
            "(--jobs): finished chunks are kept."
        ) from error


def _end_with(parent: int) -> None:
    """Make this process exit when its parent does: a loky worker would wait five minutes for more work."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_SECONDS)
        os._exit(1)  # unfinished files have temporary names

    threading.Thread(target=look, name="ends with its parent", daemon=True).start()
