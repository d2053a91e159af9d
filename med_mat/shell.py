"""Text from the disk, as a terminal and a shell may be given it."""

from __future__ import annotations

import os
import shlex


def printable(text: str) -> str:
    """On one line, with everything escaped that a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``"1 source"``, ``"2,000 sources"``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def quote(text: str) -> str:
    """As one word for the shell, on one line whatever it holds."""
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(map(_escaped, text))}'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
