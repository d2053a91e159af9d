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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from med_mat.browse.door import TAKES, gives
from med_mat.browse.guard import Door, Guard
from med_mat.browse.page import CSS, page, theme
from med_mat.dataset import MedMAT
from med_mat.errors import BrowseError

if TYPE_CHECKING:
    import uvicorn

#: Connections that may be open at once; those over it are told 503. A browser holds six of them at most.
CONNECTIONS = 256
#: Questions that may wait for their turn.
WAITING = 256
#: How long a connection may be open without asking anything, in seconds.
IDLE = 20.0
#: How long answers that are under way may hold up the end, in seconds.
GRACE = 3.0


def application(mat: MedMAT, where: str, host: str, scratch: Path) -> Guard:
    """The web application. It answers only those who ask for this host by name, and serves no file of the machine.

    Args:
        mat: to look at.
        where: its folder or Hub id.
        host: that it listens on.
        scratch: a private folder, for the pictures and files that the page makes; nothing else is given out.

    Raises:
        MissingExtraError: Gradio is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # both are read by Gradio when it is imported and a page is made
    os.environ["GRADIO_TEMP_DIR"] = str(scratch)
    made = page(mat, where, scratch)
    # a page that is mounted is not launched by itself, and until it is, Gradio copies to its folder, and then serves,
    # any file of the machine that a visitor names as the value of a field
    made.has_launched = True
    made.queue(max_size=WAITING)
    import gradio as gr
    from fastapi import FastAPI

    app = gr.mount_gradio_app(FastAPI(docs_url=None, redoc_url=None, openapi_url=None), made, path="/",
                              footer_links=[], show_error=False, allowed_paths=[], ssr_mode=False,
                              enable_monitoring=False, theme=theme(), css=CSS)  # fmt: skip
    return Guard(app, Door(_names(host), gives(scratch), TAKES))


def serve(mat: MedMAT, where: str, *, host: str, port: int, open_page: bool, say: Callable[[str], None]) -> NoReturn:
    """Serve the page until it is interrupted; this ends the process, with status 0.

    Nothing that is being answered holds up the end by more than a few seconds, and what the page wrote is gone then.

    Raises:
        BrowseError: the port is taken, or the page stopped by itself.
        MissingExtraError: Gradio is not installed.
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
        guard = application(mat, where, host, Path(scratch).resolve())
        say(f"{mat!r}\nLook at it on http://{shown}:{port}/ ; Ctrl-C ends it.")
        if open_page:
            webbrowser.open(f"http://{shown}:{port}/")
        _run(guard, listening)
    # whatever is still being answered (a question to the whole index, say) is answered by threads of the web library,
    # which cannot be interrupted, and which Python would wait for
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def server(guard: Guard) -> uvicorn.Server:
    """What listens for the page: limits on connections, no web sockets, no word of a visitor's mistakes."""
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
    """The connections over which no whole request has come, and which uvicorn itself does not wait to close."""
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
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one does not disturb the tidying up
            signal.signal(number, signal.SIG_IGN)
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what is cut off now is no error
        guard.end()
        web.should_exit = True
        thread.join(GRACE)
    else:
        raise BrowseError("The page has stopped by itself: what went wrong is said above.")


def _names(host: str) -> frozenset[str] | None:
    """What the page may be called; None where it listens everywhere, and so is meant for every name."""
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            return None
    return frozenset({"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host.lower()})
