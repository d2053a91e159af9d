"""The validation part of an experiment: set apart from what may train, by whole groups, before anything is drawn.

So it does not depend on how many records are trained on, and a larger draw holds a smaller one in both parts.
"""

from __future__ import annotations

import numpy as np

from med_mat.errors import SplitError
from med_mat.splits import divide, draw
from med_mat.tags import Positions, Tags

#: The largest share of the training records that can be set apart.
MOST = 0.5


def set_apart(tags: Tags, train: Positions, share: float, seed: int) -> tuple[Positions, Positions]:
    """What is left to train on, and what validates; both ascending.

    Raises:
        SplitError: a share is asked for, and no group can be set apart.
    """
    if not share or not len(train):
        return train, train[:0]
    apart = divide.set_apart(tags, train, share, seed)
    if not apart.any():
        raise SplitError(
            f"validation={share} sets none of the {len(train):,} training records apart: the groups of each label are "
            "too few or too large. Give a larger share, or 0 for no validation part."
        )
    return train[~apart], train[apart]


def drawn(tags: Tags, validation: Positions, trained: int, share: float, seed: int) -> Positions:
    """As many of the validation records as fit a draw of so many training records; ascending."""
    wanted = max(round(trained * share / (1 - share)), 1)
    return draw.take(tags, validation, wanted, seed) if wanted < len(validation) else validation


def check_share(share: float) -> None:
    """Raise where this is no share of the training records that can be set apart."""
    if not 0 <= share <= MOST or np.isnan(share):
        raise SplitError(
            f"An experiment: validation is the share of the training records to set apart, from 0 to {MOST}, and is "
            f"{share!r}."
        )
