"""Selections: triplet patterns and conditions on further fields, combined by and, or, not; in Python and as text.

>>> MAT(modality="CT") & ~MAT(task="Cancer") & field("source", ["busi", "head_ct"])
CT/*/* & !*/*/Cancer & source=busi|head_ct

The text, from what binds loosest to what binds tightest::

    ,  or  |  ||         any of them         CT/*/*, MRI/Brain/*
    &  and  &&           every one of them   CT/*/* & split=train
    !  not  ~            none of it          !CT/*/*   !(CT/*/*, MRI/*/*)
    ( )                  first               (CT/*/*, MRI/*/*) & split=train
    |                    between words or values: any of them

    word                 CT   Lung   CT|MRI                   as a pattern: CT/*/*   */Lung/*   CT|MRI/*/*
    pattern              CT|MRI/Brain/*   CT/!Lung/*          MODALITY/AREA/TASK
    condition            source=busi|head_ct   split!=train   width>=256   label in (Glioma, Cyst)

As in Python, "and" binds tighter than "or". Where a text could be read in two ways, as ``split=train & CT | MRI``, it
is refused, and the message gives the form of each. A value that holds one of ``, & | ( ) ! = < > " \\``, or the word
"and" or "or", stands in double quotes, in which a backslash keeps the character after it. What is null, such as the
published split of a source without one, has none of the values. Words may be written in any case; values are taken to
the letter.

``str()`` of a selection is its canonical text, which is read back as the same selection.

The fields, what they hold and what they take: :data:`FIELDS`. Those of the level "card" and "split" hold of all records
of a row and split, and are decided once for each of these; those of the level "record" are looked up in the index.
"""

from med_mat.selection.algebra import (
    EVERYTHING,
    MAT,
    NOTHING,
    Algebra,
    And,
    Field,
    Leaf,
    Not,
    Or,
    Pattern,
    Selection,
    Selector,
    Triplets,
    Word,
)
from med_mat.selection.fields import FIELDS, CardFields, Fields, FieldType
from med_mat.selection.parser import MAX_DEPTH
from med_mat.selection.reading import conditions, field

__all__ = [
    "EVERYTHING",
    "FIELDS",
    "MAT",
    "MAX_DEPTH",
    "NOTHING",
    "Algebra",
    "And",
    "CardFields",
    "Field",
    "FieldType",
    "Fields",
    "Leaf",
    "Not",
    "Or",
    "Pattern",
    "Selection",
    "Selector",
    "Triplets",
    "Word",
    "conditions",
    "field",
]
