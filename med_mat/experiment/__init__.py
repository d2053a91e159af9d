"""From an experiment to its table: arms, training by an engine, scores, tests, controls.

- ``definition``: what is run, as data from YAML or Python; ``arms``: its arms over a build
- ``plan``: arms, audits, tasks, stored in a folder; ``runner``: the tasks, one by one
- ``engine``: the interface of what trains and answers, and the engines by name; ``engines``: those of this package
"""

from med_mat.experiment.engine import Answers, Engine, Outcome, Task, engines

__all__ = ["Answers", "Engine", "Outcome", "Task", "engines"]
