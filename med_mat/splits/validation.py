"""The validation part of an experiment: set apart by whole groups before the training records are sampled.

It does not depend on the number of training records, and a larger sample contains a smaller one in both parts.
"""

from __future__ import annotations

from med_mat.errors import SplitError
from med_mat.splits import divide, sampling
from med_mat.splits.options import Options
from med_mat.tags import Positions, Tags


def set_apart(tags: Tags, train: Positions, options: Options) -> tuple[Positions, Positions]:
    """The remaining training records and the validation records, both ascending.

    Raises:
        SplitError: A share is requested, and no group can be set apart.
    """
    share = options.validation
    if not share or not len(train):
        return train, train[:0]
    apart = divide.set_apart(tags, train, share, options.seed)
    if not apart.any():
        raise SplitError(
            f"validation={share} sets none of the {len(train):,} training records apart: the groups of each label are "
            "too few or too large. Give a larger share, or 0 for no validation part."
        )
    return train[~apart], train[apart]


def drawn(tags: Tags, validation: Positions, trained: int, options: Options) -> Positions:
    """A sample of the validation records, in proportion to the number of training records; ascending."""
    wanted = max(round(trained * options.validation / (1 - options.validation)), 1)
    return sampling.take(tags, validation, wanted, options.seed, options.even)
