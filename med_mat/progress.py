"""A bar on a terminal; one line where standard error is a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm


class Bar(tqdm):  # type: ignore[type-arg]
    """What shows how far something is: a bar on a terminal, else one line when it is over or has broken off.

    Args:
        total: how many there are; None: not known.
        desc: of what.
        unit: of the count; "B" is shown in kB, MB and so on.
        shown: False: nothing at all.
    """

    monitor_interval = 0  # no thread of tqdm's: one that starts while the interpreter ends would wait forever

    def __init__(self, total: int | None = None, *, desc: str, unit: str, shown: bool) -> None:
        terminal = sys.stderr.isatty()
        self._line = shown and not terminal
        self._done = 0.0
        self._since = time.monotonic()
        super().__init__(
            total=total,
            desc=desc,
            unit=unit,
            unit_scale=unit == "B",
            dynamic_ncols=True,
            disable=not (shown and terminal),
        )
        self._said, self._unit = desc, unit

    def update(self, n: float | None = 1) -> bool | None:
        """Count on, as tqdm does."""
        self._done += n or 0
        moved: bool | None = super().update(n)
        return moved

    def reset(self, total: float | None = None) -> None:
        """Begin anew, as tqdm does."""
        self._done = 0.0
        super().reset(total)

    def close(self) -> None:
        """End it, as tqdm does. Once more does nothing."""
        super().close()
        if self._line:
            self._line = False
            of = f" of {self._number(self.total)}" if self.total and self._done < self.total else ""
            unit = "" if self._unit == "B" else f" {self._unit}"
            seconds = time.monotonic() - self._since
            print(
                f"{self._said}: {self._number(self._done)}{of}{unit} in {seconds:,.0f} s",
                file=sys.stderr,
                flush=True,
            )

    def _number(self, count: Any) -> str:
        return f"{tqdm.format_sizeof(count)}B" if self._unit == "B" else f"{count:,.0f}"
