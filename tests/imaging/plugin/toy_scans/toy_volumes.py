"""Toy volumes: axial slices of scans in three formats, each with a mask volume.

scans/1.nii.gz
scans/1_mask.nii.gz
scans/2.nrrd
scans/2_mask.nrrd
scans/3.mha
scans/3_mask.mha
scans/4.mhd
scans/4.raw
scans/4_mask.nrrd
"""

from __future__ import annotations

from collections.abc import Iterator

from med_mat.example import Example, LabelMap, Slice
from med_mat.raw import RawFolder


def examples(raw: RawFolder) -> Iterator[Example]:
    for scan in raw.glob("scans/*.{nii.gz,nrrd,mha,mhd}", exclude="**/*_mask.*"):
        number = scan.name.partition(".")[0]
        mask = raw.one(f"scans/{number}_mask.*")
        for index in range(raw.volume(scan).shape[2]):
            yield Example(Slice(scan, index), masks=(LabelMap(Slice(mask, index), {1: "organ"}),), patient=number)
