"""Diagnoses a folder: which sources it holds, what is missing, and the next step. Changes nothing."""

from med_mat.doctor.finding import Finding, State
from med_mat.doctor.report import healthy, to_json, to_text
from med_mat.doctor.run import diagnose

__all__ = ["Finding", "State", "diagnose", "healthy", "to_json", "to_text"]
