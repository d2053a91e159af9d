"""From the answers of a model to a number that can be cited.

- ``answers``: reads answers, from a file or from Python; ``parsing``: finds the option that a text names
- ``judging``: the score of each answer; ``regions``: IoU and Dice of boxes and masks
- ``intervals``: intervals over groups; ``power``: the smallest difference that a test can detect
- ``scoring``: from answers to a result; ``result``, ``tables``: results as text, tables and files
- ``comparing``: models compared on the same records, and seeds pooled; ``paired``: the statistics of it
"""

from med_mat.score.answers import Answers, read
from med_mat.score.comparing import Comparison, compare
from med_mat.score.intervals import Figure
from med_mat.score.paired import holm
from med_mat.score.parsing import Parsed, parse, parse_findings
from med_mat.score.power import detectable
from med_mat.score.result import Cell, Result, Section, load
from med_mat.score.scoring import score

__all__ = [
    "Answers",
    "Cell",
    "Comparison",
    "Figure",
    "Parsed",
    "Result",
    "Section",
    "compare",
    "detectable",
    "holm",
    "load",
    "parse",
    "parse_findings",
    "read",
    "score",
]
