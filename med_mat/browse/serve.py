"""The page on this machine."""

from __future__ import annotations

import os
import socket
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
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read by Gradio when a page is made
    made = page(mat, where)
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
    uvicorn.run(app, host=host, port=port, log_level="warning")
