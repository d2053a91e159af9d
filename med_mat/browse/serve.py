"""The page on this machine."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from med_mat.browse.page import CSS, page, theme
from med_mat.dataset import MedMAT
from med_mat.errors import BrowseError

if TYPE_CHECKING:
    from fastapi import FastAPI


def application(mat: MedMAT, where: str, host: str, port: int) -> FastAPI:
    """The web application. It answers only those who ask for this host by name, and serves no file of the machine.

    Args:
        mat: to look at.
        where: its folder or Hub id.
        host: that it listens on.
        port: likewise.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # both are read by Gradio when a page is made
    os.environ["GRADIO_TEMP_DIR"] = _private()
    made = page(mat, where)
    # a page that is mounted is not launched by itself, and until it is, Gradio copies to its folder, and then serves,
    # any file of the machine that a visitor names as the value of a field
    made.has_launched = True
    import gradio as gr
    from fastapi import FastAPI
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    # another site that points its name at this machine is turned away; who listens everywhere wants every name
    names = ["*"] if host in ("0.0.0.0", "::") else ["127.0.0.1", "localhost", "[::1]", host]
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=names)

    @app.middleware("http")
    async def same_origin(request: Any, follow: Callable[[Any], Any]) -> Any:
        from starlette.responses import PlainTextResponse

        origin = request.headers.get("origin")
        if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host')}":
            return PlainTextResponse("This page answers no other site.", status_code=403)
        if request.url.path.rstrip("/").endswith("/upload"):  # Gradio's own, for pages that take files: this takes none
            return PlainTextResponse("This page takes no files.", status_code=403)
        answer = await follow(request)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["X-Frame-Options"] = "SAMEORIGIN"
        return answer

    mounted: FastAPI = gr.mount_gradio_app(app, made, path="/", server_name=host, server_port=port, footer_links=[],
                               show_error=False, allowed_paths=[], ssr_mode=False, enable_monitoring=False,
                               theme=theme(), css=CSS)  # fmt: skip
    return mounted


def serve(mat: MedMAT, where: str, *, host: str, port: int, open_page: bool, say: Callable[[str], None]) -> None:
    """Serve the page until it is interrupted.

    Raises:
        BrowseError: the port is taken.
        MissingExtraError: Gradio is not installed.
    """
    app = application(mat, where, host, port)
    import uvicorn

    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise BrowseError(
            f"The page cannot listen on {host}:{port} ({error.strerror}): choose another with --port."
        ) from error
    address = f"http://{host}:{port}/"
    say(f"{mat!r}\nLook at it on {address} ; Ctrl-C ends it.")
    if open_page:
        webbrowser.open(address)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # what was written is removed then too
    uvicorn.run(app, host=host, port=port, log_level="warning")


@functools.cache
def _private() -> str:
    """A folder for the pictures and files that the page writes: nobody else may read it, and it is gone at the end."""
    folder = tempfile.mkdtemp(prefix="med-mat-browse-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
