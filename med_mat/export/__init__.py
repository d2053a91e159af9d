"""Records as files for trainers and other programs: ``exp.export(out, format=…)``, ``mat.export(selector, out, …)``.

- ``turns``: the question and the answer of a record, in a style and a box convention
- ``job``: the records and the folder of one export; ``registry``: the formats by name; ``formats``: their modules
- ``conversation``: conversations without files; ``planning``: what an export would contain
- ``place``: the folder of an export; ``names``: file names; ``permit``: what the terms of sources allow
- ``run``: an export from beginning to end
"""

from med_mat.export.conversation import chat
from med_mat.export.job import Job, Picture, Row
from med_mat.export.planning import Plan
from med_mat.export.registry import ExportFormat, export_format, export_formats, format_named
from med_mat.export.run import Exported, export, plan
from med_mat.export.selected import Form, Selected
from med_mat.export.turns import Style, Turn, turn

__all__ = [
    "ExportFormat",
    "Exported",
    "Form",
    "Job",
    "Picture",
    "Plan",
    "Row",
    "Selected",
    "Style",
    "Turn",
    "chat",
    "export",
    "export_format",
    "export_formats",
    "format_named",
    "plan",
    "turn",
]
