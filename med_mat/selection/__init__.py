"""Selections: triplet patterns and conditions on further fields, combined by and, or, not; in Python and as text.

>>> MAT(modality="CT") & ~MAT(task="Cancer") & field("source", ["busi", "head_ct"])
CT/*/* & !*/*/Cancer & source=busi|head_ct

The syntax, from lowest to highest precedence::

    ,  or  |  ||         any of them         CT/*/*, MRI/Brain/*
    &  and  &&           every one of them   CT/*/* & split=train
    !  not  ~            none of it          !CT/*/*   !(CT/*/*, MRI/*/*)
    ( )                  first               (CT/*/*, MRI/*/*) & split=train
    |                    between words or values: any of them

    word                 CT   Lung   CT|MRI                   as a pattern: CT/*/*   */Lung/*   CT|MRI/*/*
    pattern              CT|MRI/Brain/*   CT/!Lung/*          MODALITY/AREA/TASK
    condition            source=busi|head_ct   split!=train   width>=256   label in (Glioma, Cyst)

As in Python, "and" binds tighter than "or". An ambiguous text, such as ``split=train & CT | MRI``, is an error, and the
message gives the form of each reading. A value that contains one of ``, & | ( ) ! = < > " \\``, or the word "and" or
"or", must be in double quotes, in which a backslash escapes the next character. A null field, such as the published
split of a source without one, matches no value. ``age_group``, ``sex``, ``device`` and ``view`` are known where the
publisher states them: a record for which one is not stated satisfies neither ``sex=female`` nor ``sex!=female``, only
``sex=unknown``. Words are case-insensitive; values are case-sensitive.

``str()`` of a selection is its canonical text, which parses to the same selection.

For all fields with their types and values, see :data:`FIELDS`. Fields of level "card" and "split" are the same for all
records of a row and split, and are evaluated once for each; fields of level "record" are looked up in the index.
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
