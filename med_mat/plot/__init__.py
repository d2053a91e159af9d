"""Pictures of a Med-MAT: the MAT grid, the balance of its labels, thumbnails of its records with boxes and masks.

Figures are drawn by matplotlib's object interface (the extra ``plot``) in a style of their own, whatever the user's
settings are; contact sheets by Pillow alone. The same data give the same bytes. Colours are told apart by the
colour-blind: one hue, whose lightness alone says how many, for counts; Okabe & Ito's palette for labels and sides.
Nothing that a label says is parsed: no mathtext, no control character, no text without end.

- ``built``: a picture of what a selection of a built Med-MAT holds, of any kind
- ``grid``: the MAT grid; ``bars``: the balance of labels; ``canvas``: what the two figures are drawn on
- ``thumbnails``: a record with its boxes and masks; ``sheet``: many of them, with captions
- ``style``: colours and words, of figures and sheets alike
- ``saving``: a picture as bytes, and as a file
"""

from med_mat.plot.bars import label_balance
from med_mat.plot.built import FigureKind, cell_counts, label_counts, picture
from med_mat.plot.grid import mark, mat_grid
from med_mat.plot.saving import check_suffix, encoded, save
from med_mat.plot.sheet import contact_sheet, spread
from med_mat.plot.style import PALETTE
from med_mat.plot.thumbnails import thumbnail

__all__ = [
    "PALETTE",
    "FigureKind",
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
    "spread",
    "thumbnail",
]
