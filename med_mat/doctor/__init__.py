"""What lies in a folder: which sources, where, what of them is missing, and the step that helps. Nothing is changed."""

from med_mat.doctor.finding import Finding, State
from med_mat.doctor.report import healthy, to_json, to_text
from med_mat.doctor.run import diagnose

__all__ = ["Finding", "State", "diagnose", "healthy", "to_json", "to_text"]
