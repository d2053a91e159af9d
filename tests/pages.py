"""Web pages that are served while a test asks them."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import med_mat
from med_mat.browse.guard import Guard
from med_mat.browse.serve import application, server

#: In a label, a question and a path; and, of a record of BUSI, in its id.
HOSTILE = '<script>window.stolen=1</script><img src=x onerror="window.stolen=1">{{7*7}}'
HOSTILE_ID = "/?#%41&=+;'\"<b>\\\u202e\u0000..\n é💥"


@contextlib.contextmanager
def serving(guard: Guard) -> Iterator[str]:
    """The address at which this is served."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        web = server(guard)
        thread = threading.Thread(target=web.run, kwargs={"sockets": [taken]}, daemon=True)
        thread.start()
        while not web.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        guard.end()
        web.should_exit = True
        thread.join(timeout=20)


@contextlib.contextmanager
def listening(built: Path, scratch: Path) -> Iterator[str]:
    """The address at which the page on a built Med-MAT is served."""
    with serving(application(med_mat.open(built), str(built), "127.0.0.1", scratch)) as address:
        yield address
