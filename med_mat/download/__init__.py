"""Fetching sources: a plan from the card, files over HTTP, repositories, safe unpacking.

Nothing is fetched at import, and what only this needs (``pip install 'med-mat[download]'``) is imported where used.
"""

from med_mat.download.routes import Plan, Route, plan
from med_mat.download.run import Result, download

__all__ = ["Plan", "Result", "Route", "download", "plan"]
