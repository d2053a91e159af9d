"""From an experiment to its table: arms, training by an engine, scores, tests, controls.

>>> import med_mat
>>> mat = med_mat.open("Med-MAT")
>>> report = med_mat.experiment.run(mat, {"engine": "probe", "target": "CT/Lung/Cancer"}, "results")

- ``definition``: what is run, as data from YAML or Python; ``arms``: its arms over a build
- ``plan``: arms, audits, tasks, stored in a folder; ``runner``: the tasks, one by one
- ``launch``: all of it in one call
- ``engine``: the interface of engines, which train and answer; ``engines``: those of this package
- ``grading``: which answers are right; ``statistics``: intervals and tests over groups
- ``report``: the results; ``table``: as text, Markdown, LaTeX and CSV; ``picture``: as a plot
"""

from med_mat.experiment.definition import Definition, read
from med_mat.experiment.engine import Answers, Engine, Outcome, Task, training_engines
from med_mat.experiment.launch import run
from med_mat.experiment.report import Report, collect

__all__ = ["Answers", "Definition", "Engine", "Outcome", "Report", "Task", "collect", "read", "run", "training_engines"]
