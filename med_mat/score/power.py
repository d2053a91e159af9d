"""How small a difference a test can detect: for the paired comparison of two models on the same records."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import norm

#: Share of the records on which two models are assumed to differ, if it is unknown.
DISCORDANT = 0.3
#: Level of the test, two-sided, and its power.
LEVEL, POWER = 0.05, 0.8
#: A test that cannot detect a difference of this size is too small.
TOO_LARGE = 0.2


def detectable(groups: int, discordant: float = DISCORDANT) -> float | None:
    """The smallest difference in accuracy that a paired test detects with a power of 80% (R. J. Connor, 1987).

    Args:
        groups: Number of independent records: of groups, if they have several records each.
        discordant: Share of the records on which exactly one of the two models is right.

    Returns:
        The difference, 0 to 1; None if no difference can be detected.
    """
    z, power = float(norm.isf(LEVEL / 2)), float(norm.isf(1 - POWER))

    def lacking(difference: float) -> float:
        spread = math.sqrt(max(discordant - difference**2, 0.0))
        return (z * math.sqrt(discordant) + power * spread) / math.sqrt(groups) - difference

    if groups < 1 or not 0 < discordant <= 1 or lacking(discordant) > 0:
        return None
    return float(brentq(lacking, 1e-9, discordant))


def warnings(records: int, groups: int) -> list[str]:
    """A sentence if a test is too small to detect a difference of 20 points."""
    least = detectable(groups)
    if least is not None and least <= TOO_LARGE:
        return []
    what = "no difference between two models" if least is None else f"no difference below {100 * least:.0f} points"
    return [
        f"this test is too small: with {records:,} questions in {groups:,} groups it can detect {what} (a paired test "
        f"at 5%, a power of {POWER:.0%}, models that differ on {DISCORDANT:.0%} of the records)"
    ]
