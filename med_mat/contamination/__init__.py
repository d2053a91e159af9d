"""Whether images of another dataset, such as a public benchmark, are in a built Med-MAT."""

from med_mat.contamination.comparing import Contamination, check

__all__ = ["Contamination", "check"]
