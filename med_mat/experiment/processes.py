"""Programs that train or answer: run with their output in a log file, and stopped with all their child processes."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from med_mat.errors import EngineError
from med_mat.files import writing

log = logging.getLogger(__name__)

#: Last lines of a log that an error quotes, and characters of each.
_LINES, _WIDTH = 8, 300
#: Seconds that a program has to end after it is told to.
_PATIENCE = 10.0


def run_logged(
    command: Sequence[str],
    logged: Path,
    *,
    what: str,
    folder: Path,
    timeout: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program, never through a shell. What it prints goes to the end of a log file.

    Args:
        command: the program and its arguments.
        logged: the log file.
        what: the program in words, for the messages, such as "The trainer".
        folder: the working directory.
        timeout: seconds after which it is stopped; None: never.
        environment: variables beside those of this process.

    Raises:
        EngineError: it cannot be started, takes too long, or fails; the message has the last lines of its log.
    """
    line = shlex.join(command)
    with writing(logged):
        logged.parent.mkdir(parents=True, exist_ok=True)
        output = logged.open("ab")
    with output:
        output.write(f"$ {line}\n".encode(errors="surrogateescape"))
        output.flush()
        log.info("%s: %s (log: %s)", what, line, logged)
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,  # so that it can be stopped with what it has started
            )
        except (OSError, ValueError) as error:
            raise EngineError(f"{what} cannot be started: {line}. {error}.") from error
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            _stop(process)
            raise EngineError(
                f"{what} was stopped after its timeout of {timeout:,.0f} s: {line}. {_last_lines(logged)}"
            ) from error
        except BaseException:
            _stop(process)
            raise
    if status:
        how = f"failed with exit status {status}" if status > 0 else f"was ended by {signal.Signals(-status).name}"
        raise EngineError(f"{what} {how}: {line}. {_last_lines(logged)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything that it has started."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            continue


def _last_lines(logged: Path) -> str:
    with logged.open(encoding="utf-8", errors="replace") as file:
        lines = deque((line.rstrip()[:_WIDTH] for line in file if line.strip()), maxlen=_LINES)
    return f"The end of {logged}: " + " | ".join(lines)
