"""Downloading sources: routes from the card, files over HTTP or by a host's client, safe unpacking.

The extra (``pip install 'med-mat[download]'``) is imported where it is used.
"""

from med_mat.download.routes import Plan, Route, plan
from med_mat.download.run import Result, download

__all__ = ["Plan", "Result", "Route", "download", "plan"]
