"""Questions and answers: a record's labels as a multiple-choice and as an open question; boxes as an open question.

A question is a view: a pure function of a record's columns in the index, its row's card, and a seed. The shards contain
one form of it, and the index can be asked for others (:mod:`med_mat.questions.view`). See ``docs/questions.md``.
"""

from med_mat.questions.asking import SEED, Form, Questioner
from med_mat.questions.question import Question
from med_mat.questions.synonyms import Synonyms
from med_mat.questions.texts import BOX_SUFFIX, LETTERS, SUFFIX, read_instructions

__all__ = [
    "BOX_SUFFIX",
    "LETTERS",
    "SEED",
    "SUFFIX",
    "Form",
    "Question",
    "Questioner",
    "Synonyms",
    "read_instructions",
]
