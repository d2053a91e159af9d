"""Figures of a Med-MAT: the MAT grid, the label distribution, and thumbnails of records with boxes and masks.

Figures are drawn with matplotlib's object interface (the extra ``plot``) in a fixed style, whatever the user's settings
are; contact sheets with Pillow alone. The same data give the same bytes. The colors are safe for color-blind readers:
one hue of varying lightness for counts, Okabe and Ito's palette for labels and sides. Labels are never interpreted:
no mathtext, no control characters, and long texts are truncated.

- ``built``: figures of a selection of a built Med-MAT, and of an audit
- ``grid``: the MAT grid; ``bars``: the label distribution; ``canvas``: what both are drawn on
- ``scores``: results and comparisons
- ``thumbnails``: a record with its boxes and masks; ``sheet``: many of them, with captions
- ``style``: colors and words of figures and sheets
- ``saving``: a figure as bytes, and as a file
"""

from med_mat.plot.bars import label_balance
from med_mat.plot.built import FigureKind, audit_grid, cell_counts, label_counts, picture
from med_mat.plot.grid import mark, mat_grid
from med_mat.plot.saving import check_suffix, encoded, save
from med_mat.plot.scores import scores
from med_mat.plot.sheet import contact_sheet, spread
from med_mat.plot.style import PALETTE
from med_mat.plot.thumbnails import thumbnail

__all__ = [
    "PALETTE",
    "FigureKind",
    "audit_grid",
    "cell_counts",
    "check_suffix",
    "contact_sheet",
    "encoded",
    "label_balance",
    "label_counts",
    "mark",
    "mat_grid",
    "picture",
    "save",
    "scores",
    "spread",
    "thumbnail",
]
