"""Recognizes color profiles, so that nothing else is kept in their place."""

from __future__ import annotations


def is_profile(data: bytes) -> bool:
    """Whether these bytes are exactly one ICC profile, possibly padded to a multiple of four."""
    return (
        data[36:40] == b"acsp"
        and 128 <= int.from_bytes(data[:4], "big") <= len(data) <= int.from_bytes(data[:4], "big") + 3
    )
