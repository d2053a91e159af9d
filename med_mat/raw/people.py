"""Extracts facts about the person and the device from a DICOM header or from the text of a reading."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from med_mat.errors import ReadError
from med_mat.example import Attributes
from med_mat.raw.folder import RawFolder

if TYPE_CHECKING:
    import pydicom

_KEYWORDS = ("PatientAge", "PatientSex", "ViewPosition", "Manufacturer", "ManufacturerModelName")
_SEX_AND_AGE = re.compile(r"\W*(female|male|f|m)\b[\s,;]*(\d+(?:\.\d+)?[\s-]*[a-z]*)?", re.IGNORECASE)


def person(raw: RawFolder, path: PurePosixPath | str) -> tuple[str | None, Attributes | None]:
    """The patient id in a DICOM header and the person's other attributes; None if blank or unreadable."""
    try:
        header = raw.dicom(path)
    except ReadError:
        return None, None  # the build reads the same file again and reports why it cannot be read
    return _element(header, "PatientID") or None, in_header(header)


def in_header(header: pydicom.Dataset) -> Attributes | None:
    """What a DICOM header states about the person and the device."""
    age, sex, view, maker, model = (_element(header, keyword) for keyword in _KEYWORDS)
    return Attributes.of(age=age, sex=sex, device=f"{maker} {model}", view=view)


def _element(header: pydicom.Dataset, keyword: str) -> str:
    try:
        return str(header.get(keyword) or "")
    except Exception:  # pydicom parses elements lazily and raises anything
        return ""


def sex_and_age(text: str) -> Attributes | None:
    """Sex and age from the beginning of a reading: ``"male 45yrs"``, ``"Female, 3 months"``."""
    found = _SEX_AND_AGE.match(text)
    return Attributes.of(sex=found[1], age=found[2]) if found else None
