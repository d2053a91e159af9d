"""Names of files."""

from __future__ import annotations

import re
from pathlib import PurePosixPath


def natural(path: PurePosixPath | str) -> tuple[tuple[str, int], ...]:
    """A sort key by which numbers count as such: ``slice2`` comes before ``slice10``."""
    return tuple((text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", str(path)) if text or digits)
