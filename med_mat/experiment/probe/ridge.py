"""Weighted ridge regression for all strengths at once, with leave-group-out predictions in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

Matrix = npt.NDArray[np.float64]

#: Singular values below this share of the largest count as zero.
_RANK = 1e-12


@dataclass(frozen=True)
class Ridge:
    """The singular value decomposition of weighted inputs, from which a fit of each strength follows.

    Minimizes ``sum_i w_i |y_i - x_i B|^2 + strength |B|^2`` over B, without an intercept.
    """

    left: Matrix  # (n, k) left singular vectors of sqrt(w) x
    values: Matrix  # (k,) squared singular values
    right: Matrix  # (d, k) right singular vectors
    targets: Matrix  # (n, t) targets, times the square root of the weights
    scale: Matrix  # (n, 1) square roots of the weights

    @classmethod
    def of(cls, inputs: Matrix, targets: Matrix, weights: Matrix) -> Ridge:
        """Decompose inputs.

        Args:
            inputs: (n, d).
            targets: (n, t).
            weights: (n,) positive.
        """
        scale = np.sqrt(weights)[:, None]
        scaled = inputs * scale
        rows, columns = scaled.shape
        wide = rows < columns
        values, vectors = linalg.eigh(scaled @ scaled.T if wide else scaled.T @ scaled)
        kept = values > _RANK * max(float(values[-1]), _RANK)
        values, vectors = values[kept], vectors[:, kept]
        other = (scaled.T if wide else scaled) @ vectors / np.sqrt(values)
        left, right = (vectors, other) if wide else (other, vectors)
        return cls(left, values, right, targets * scale, scale)

    def predict(self, inputs: Matrix, strength: float) -> Matrix:
        """The predictions for other inputs: (m, d) -> (m, t)."""
        shrunk = np.sqrt(self.values) / (self.values + strength)
        found: Matrix = (inputs @ self.right) @ (shrunk[:, None] * (self.left.T @ self.targets))
        return found

    def left_out(self, groups: npt.NDArray[np.int64], strength: float) -> Matrix:
        """The prediction for each input by the fit without its group: (n, t).

        Args:
            groups: (n,) the group of each input.
            strength: strength of the ridge, positive.
        """
        shrunk = self.values / (self.values + strength)
        rest = self.targets - self.left @ (shrunk[:, None] * (self.left.T @ self.targets))
        found = np.empty_like(rest)
        for members in _by_size(groups):  # (groups of one size, size)
            part = self.left[members]
            own = np.eye(members.shape[1]) - np.einsum("gik,k,gjk->gij", part, shrunk, part, optimize=True)
            found[members] = np.linalg.solve(own, rest[members])
        predicted: Matrix = (self.targets - found) / self.scale
        return predicted


def _by_size(groups: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.int64]]:
    """The members of all groups, those of one size together: arrays of shape (number of groups, size)."""
    order = np.argsort(groups, kind="stable")
    _, start, size = np.unique(groups[order], return_index=True, return_counts=True)
    for one in np.unique(size):
        yield order[start[size == one][:, None] + np.arange(one)]
