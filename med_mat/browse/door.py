"""What the page in Gradio gives and takes: of the many doors of Gradio, those that this page uses.

What a visitor sends is reduced to what the form of the page can say: words, numbers and ticks. Gradio takes the name of
a file in every field, and may answer with its bytes; here no file can be said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_KEYS = ("data", "event_data", "fn_index", "trigger_id", "session_hash", "event_id")


def gives(scratch: Path) -> re.Pattern[str]:
    """The paths that can be asked for: the page, its scripts, its answers, and of files those that it wrote itself.

    Args:
        scratch: where these lie.
    """
    files = re.escape(str(scratch)) + r"/[^/]+/[^/]+"
    return re.compile(
        r"/|/config|/theme\.css|/favicon\.ico|/manifest\.json|/(assets|static|svelte)/.+|"
        rf"/gradio_api/(info|app_id|startup-events|theme\.css|queue/data|heartbeat/\w+|file={files})"
    )


def _question(sent: Any) -> dict[str, Any]:
    asked = _fields(sent, also=("data", "event_data"))
    event = asked.get("event_data")
    if isinstance(event, dict):  # a browser sends along what was chosen; its place in the picture or table is enough
        asked["event_data"] = {"value": None} | {k: _row(v) for k, v in event.items() if k in ("index", "row_value")}
    elif event is not None:
        raise ValueError("an event is an object")
    asked["data"] = _row(asked.get("data", []))
    return asked


def _fields(sent: Any, also: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(sent, dict):
        raise ValueError("a question is an object")
    return {key: value if key in also else _value(value) for key, value in sent.items() if key in _KEYS}


def _row(sent: Any) -> Any:
    return [_value(one) for one in sent] if isinstance(sent, list) else _value(sent)


def _value(sent: Any) -> str | int | float | bool | None:
    if sent is None or isinstance(sent, str | int | float | bool):
        return sent
    raise ValueError("a field holds a text, a number or a tick")


#: The paths that can be sent something, and how each is read (see :class:`med_mat.browse.guard.Door`).
TAKES: Mapping[str, Callable[[Any], Any]] = {
    "/gradio_api/queue/join": _question,
    "/gradio_api/cancel": _fields,
    "/gradio_api/reset": _fields,
}
