"""Facts about person and device, from a DICOM header or from the text of a reading."""

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
    """The patient id in the header of a DICOM file, and what else it says; None where it is blank or cannot be read."""
    try:
        header = raw.dicom(path)
    except ReadError:
        return None, None  # the build meets the same file again and says why it cannot be read
    return _element(header, "PatientID") or None, in_header(header)


def in_header(header: pydicom.Dataset) -> Attributes | None:
    """What a DICOM header says of the person and the device."""
    age, sex, view, maker, model = (_element(header, keyword) for keyword in _KEYWORDS)
    return Attributes.of(age=age, sex=sex, device=f"{maker} {model}", view=view)


def _element(header: pydicom.Dataset, keyword: str) -> str:
    try:
        return str(header.get(keyword) or "")
    except Exception:  # pydicom parses elements lazily and raises anything
        return ""


def sex_and_age(text: str) -> Attributes | None:
    """From a reading that begins with them: ``"male 45yrs"``, ``"Female, 3 months"``."""
    found = _SEX_AND_AGE.match(text)
    return Attributes.of(sex=found[1], age=found[2]) if found else None
