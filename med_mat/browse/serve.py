"""The page on this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from med_mat.browse.guard import Guard
from med_mat.dataset import MedMAT
from med_mat.errors import BrowseError, MissingExtraError

if TYPE_CHECKING:
    import uvicorn

#: The libraries of the extra ``browse``.
_LIBRARIES = ("jinja2", "starlette", "uvicorn")
#: Connections that may be open at once; a further one is answered 503. A browser holds at most six.
CONNECTIONS = 256
#: How long a connection may be open without a request, in seconds.
IDLE = 20.0
#: How long answers that are under way may delay the end, in seconds.
GRACE = 3.0


def application(mat: MedMAT, where: str, host: str, scratch: Path, frames: Sequence[str] = ()) -> Guard:
    """The web application behind its guard.

    Args:
        mat: to look at.
        where: its folder or Hub id, for the code that the split builder shows.
        host: that it listens on.
        scratch: a private folder for files that are written while they are sent.
        frames: origins of pages that may show it in a frame.

    Raises:
        BrowseError: one of ``frames`` is no origin.
        MissingExtraError: a library that the page needs is not installed.
    """
    try:
        import uvicorn  # noqa: F401

        from med_mat.browse.app import app
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _LIBRARIES:
            raise
        raise MissingExtraError(f"The web page needs {error.name}: pip install 'med-mat[browse]'.") from error
    return Guard(app(mat, where, scratch), _names(host), frames)


def serve(
    mat: MedMAT,
    where: str,
    *,
    host: str,
    port: int,
    open_page: bool,
    say: Callable[[str], None],
    frames: Sequence[str] = (),
) -> NoReturn:
    """Serve the page until it is interrupted; this ends the process, with status 0.

    An answer under way delays the end by a few seconds at most, and every file that the page wrote is removed.

    Args:
        mat: to look at.
        where: its folder or Hub id.
        host, port: to listen on.
        open_page: whether to open the page in a browser.
        say: prints a line.
        frames: origins of pages that may show it in a frame.

    Raises:
        BrowseError: the port is taken, or the page stopped by itself.
        MissingExtraError: a library that the page needs is not installed.
    """
    shown = f"[{host}]" if ":" in host else host
    with contextlib.ExitStack() as tidy:
        try:
            kind = socket.AF_INET6 if ":" in host else socket.AF_INET
            listening = tidy.enter_context(socket.create_server((host, port), family=kind))
        except OSError as error:
            raise BrowseError(
                f"The page cannot listen on {shown}:{port} ({error.strerror or error}): choose another with --port, or "
                "a name or address of this machine with --host."
            ) from error
        scratch = tidy.enter_context(tempfile.TemporaryDirectory(prefix="med-mat-browse-", ignore_cleanup_errors=True))
        guard = application(mat, where, host, Path(scratch).resolve(), frames)
        say(f"{mat!r}\nOpen http://{shown}:{port}/ in a browser; Ctrl-C ends it.")
        if open_page:
            webbrowser.open(f"http://{shown}:{port}/")
        _run(guard, listening)
    # answers under way (over the whole index, say) are made by threads of the web library, which cannot be
    # interrupted, and which Python would wait for
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def server(guard: Guard) -> uvicorn.Server:
    """The server of the page: bounded connections, no web sockets, no log of a visitor's mistakes."""
    import uvicorn

    async def sweep() -> None:
        quiet = _quiet(made.server_state.connections)
        now = time.monotonic()
        since.update({one: since.get(one, now) for one in quiet})
        for one in since.keys() - quiet:
            del since[one]
        for one in [one for one, start in since.items() if now - start > IDLE]:
            one.transport.close()

    since: dict[Any, float] = {}
    notify: Callable[..., Awaitable[None]] = sweep
    made = uvicorn.Server(
        uvicorn.Config(guard, log_level="error", ws="none", server_header=False, limit_concurrency=CONNECTIONS,
                       callback_notify=notify, timeout_notify=1, timeout_graceful_shutdown=1)
    )  # fmt: skip
    return made


def _quiet(connections: Any) -> set[Any]:
    """The connections without a whole request that uvicorn itself is not about to close."""
    return {
        one
        for one in connections
        if one.timeout_keep_alive_task is None and (one.cycle is None or one.cycle.response_complete)
    }


def _run(guard: Guard, listening: socket.socket) -> None:
    """Answer until interrupted.

    The server has a thread of its own: signals go to the main thread as in every other command, and an answer that
    takes long holds nothing up.
    """
    web = server(guard)
    thread = threading.Thread(target=web.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(1)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one does not disturb the cleanup
            signal.signal(number, signal.SIG_IGN)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # an answer that is cut off now is no error
        guard.end()
        web.should_exit = True
        thread.join(GRACE)
    else:
        raise BrowseError("The page has stopped by itself: the reason is printed above.")


def _names(host: str) -> frozenset[str] | None:
    """The host names that the page answers to; None, for all, where it listens on every address."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            return None
    return frozenset({"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host.lower()})
