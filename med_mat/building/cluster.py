"""Builds on a Dask or Ray cluster: how it is reached, what runs on all of its workers, and how calls are spread.

joblib's own backends for these engines are not used for spreading: they wait forever for a call whose worker was lost.
"""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from med_mat.errors import BuildError, LostWorkerError, MissingExtraError, UsageError

T = TypeVar("T")

#: Calls that wait on the cluster, per core of it: no worker is idle while the main process plans the next one.
_AHEAD = 3
_CONNECT_SECONDS = 10
_LOST = "The connection to the cluster is lost ({}). Run the same command again: finished chunks are kept."


class Engine(Protocol):
    """A cluster that is connected."""

    def everywhere(self, work: Callable[..., T], *arguments: Any) -> Mapping[str, T | BaseException]:
        """Call a function once on every worker: name of the worker -> its result, or the error that it raised."""

    def spread(self, work: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Call a function many times, and yield results as they become ready.

        Raises:
            LostWorkerError: the engine gave up on a call, since each worker that it was given to was lost.
            BuildError: the connection is lost.
        """


@dataclass(frozen=True, slots=True)
class Dask:
    """A Dask cluster."""

    client: Any

    def everywhere(self, work: Callable[..., T], *arguments: Any) -> Mapping[str, T | BaseException]:
        """Call a function once on every worker, as :class:`Engine` says."""
        found: dict[str, T | BaseException] = self.client.run(work, *arguments, on_error="return")
        return found

    def spread(self, work: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Call a function many times, as :class:`Engine` says."""
        distributed = _package("distributed")
        calls, ready = iter(calls), distributed.as_completed()
        try:
            self._fill(work, calls, ready)
            for future in ready:
                yield _result(future.result, (distributed.KilledWorker,))
                self._fill(work, calls, ready)
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self.client.cancel(list(ready.futures))

    def _fill(self, work: Callable[..., Any], calls: Iterator[tuple[Any, ...]], ready: Any) -> None:
        most = _AHEAD * max(1, sum(self.client.ncores().values()))
        while ready.count() < most and (call := next(calls, None)) is not None:
            ready.add(self.client.submit(_call, pickle.dumps((work, call)), pure=False))


@dataclass(frozen=True, slots=True)
class Ray:
    """The Ray cluster that this process is connected to."""

    def everywhere(self, work: Callable[..., T], *arguments: Any) -> Mapping[str, T | BaseException]:
        """Call a function once on every node, as :class:`Engine` says."""
        ray, scheduling = _package("ray"), _package("ray.util.scheduling_strategies")
        asked = {}
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):
                here = scheduling.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                remote = ray.remote(num_cpus=0, scheduling_strategy=here)(_call)
                asked[f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})"] = remote.remote(
                    pickle.dumps((work, arguments))
                )
        found: dict[str, T | BaseException] = {}
        for name, reference in asked.items():
            try:
                found[name] = ray.get(reference)
            except Exception as error:
                found[name] = error
        return found

    def spread(self, work: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Call a function many times, as :class:`Engine` says."""
        ray = _package("ray")
        killed = (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError)
        remote, calls = ray.remote(num_cpus=1)(_call), iter(calls)
        waiting: list[Any] = []
        most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        try:
            while True:
                while len(waiting) < most and (call := next(calls, None)) is not None:
                    waiting.append(remote.remote(pickle.dumps((work, call))))
                if not waiting:
                    return
                (ready, *_), waiting = ray.wait(waiting, num_returns=1)
                yield _result(partial(ray.get, ready), killed)
        finally:
            for reference in waiting:
                with suppress(Exception):
                    ray.cancel(reference)


def active() -> Engine | None:
    """The cluster of joblib's active ``parallel_config``; None if that is this machine."""
    from joblib.parallel import get_active_backend

    backend = get_active_backend()[0]
    kind = type(backend).__name__
    if kind == "DaskDistributedBackend":
        return Dask(backend.client)
    return Ray() if kind == "RayBackend" else None


@contextmanager
def session(address: str) -> Iterator[None]:
    """Connect to a cluster: builds within run on it.

    Args:
        address: ``dask://host:8786``, ``ray://host:10001``, or ``ray://auto`` on a node of a Ray cluster.

    Raises:
        UsageError: it is not such an address.
        MissingExtraError: the engine is not installed.
        BuildError: the cluster does not answer.
    """
    import joblib

    kind, found, place = address.partition("://")
    if not (found and place) or kind not in ("dask", "ray"):
        raise UsageError(f"{address!r} is no cluster: write dask://HOST:8786, ray://HOST:10001 or ray://auto.")
    with ExitStack() as stack:
        try:
            if kind == "dask":
                client = _package("distributed").Client(f"tcp://{place}", timeout=_CONNECT_SECONDS)
                stack.enter_context(client)
            else:
                ray = _package("ray")
                _reach(os.environ.get("RAY_ADDRESS", "") if place == "auto" else place)
                ray.init("auto" if place == "auto" else address, log_to_driver=False, logging_level=logging.ERROR)
                stack.callback(ray.shutdown)
                _package("ray.util.joblib").register_ray()
        except ImportError as error:
            raise MissingExtraError(
                f"--cluster {address} needs {error.name}: pip install 'med-mat[{kind}]'."
            ) from error
        except Exception as error:  # of many types
            raise BuildError(
                f"The cluster {address} does not answer ({_brief(error)}): start its scheduler, or correct the address."
            ) from error
        stack.enter_context(joblib.parallel_config(kind))
        yield


def _reach(place: str) -> None:
    """Connect to ``host:port`` and hang up: Ray itself tries for minutes; no port is no place to try."""
    host, _, port = place.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()


def _package(name: str) -> Any:
    """A module of an engine, which need not be installed."""
    return importlib.import_module(name)


def _call(packed: bytes) -> Any:
    """Call a function with arguments, pickled together: engines would look into them, piece by piece."""
    work, arguments = pickle.loads(packed)
    return work(*arguments)


def _result(get: Callable[[], T], killed: tuple[type[BaseException], ...]) -> T:
    """The result of a call on a cluster."""
    from concurrent.futures import CancelledError

    try:
        return get()
    except killed as error:
        raise LostWorkerError(
            "Each worker of the cluster that was given one of the chunks was killed, perhaps because memory ran out. "
            "Run the same command again with more memory per worker: finished chunks are kept."
        ) from error
    except (CancelledError, ConnectionError, TimeoutError) as error:
        raise BuildError(_LOST.format(_brief(error))) from error


def _brief(error: BaseException) -> str:
    """The first line of an error, with its type."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}".removesuffix(": ")
