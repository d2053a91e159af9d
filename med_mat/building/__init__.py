"""Builds a Med-MAT from raw folders: plan -> chunks -> groups and splits -> index -> card, with a balanced ledger."""

from med_mat.building.cluster import session
from med_mat.building.folders import find
from med_mat.building.merging import Merged, merge
from med_mat.building.needs import Forecast, forecast
from med_mat.building.options import Options
from med_mat.building.run import Report, build

__all__ = ["Forecast", "Merged", "Options", "Report", "build", "find", "forecast", "merge", "session"]
