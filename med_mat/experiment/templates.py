"""Commands of a user with placeholders: ``python train.py {train} --seed {seed}``.

A command is a text, split into arguments as a shell would split it, or a list of arguments. Placeholders are replaced
in each argument afterwards, so that a path with spaces stays one argument. The command does not run in a shell, unless
it names one: ``[sh, -c, 'python train.py "$0" && echo done', '{train}']``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence

from med_mat.errors import EngineError
from med_mat.taxonomy import did_you_mean

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def arguments(command: str | Sequence[str], where: str, known: Collection[str]) -> list[str]:
    """The arguments of a command, placeholders checked.

    Args:
        command: The command.
        where: The name of the setting, for messages.
        known: The placeholders that can be replaced.

    Raises:
        EngineError: It is empty, has an open quote, or has an unknown placeholder.
    """
    try:
        found = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise EngineError(f"{where}: {command!r} is not a command: {error}.") from error
    if not found or not found[0]:
        raise EngineError(f"{where} is empty: give a program and its arguments.")
    for name in (name for one in found for name in _PLACEHOLDER.findall(one)):
        if name not in known:
            options = ", ".join(f"{{{one}}}" for one in known)
            hint = did_you_mean(name, known)
            raise EngineError(f"{where}: there is no {{{name}}} to fill in.{hint} Known: {options}.")
    return found


def filled(command: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The arguments with every placeholder replaced."""
    return [_PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), one) for one in command]
