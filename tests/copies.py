"""Copies of a source that hold the same data: names in another case or normal form, folders laid out otherwise."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

Respell = Callable[[str], str]

#: How a disk or an archive may change every name: what it is called -> the path that is made of a path.
SPELLINGS: dict[str, Respell] = {
    "capitals": str.upper,
    "lower case": str.lower,
    "decomposed": lambda path: unicodedata.normalize("NFD", path),
}

_Moves = tuple[tuple[str, str], ...]  # regular expression -> what stands for it in the path

#: Source and layout -> how the files of its miniature, which has another layout, are moved to lie in this one.
#: A file whose new path is "" is left out.
MOVES: dict[tuple[str, str], _Moves] = {
    ("adam", "flat"): ((r"^(AMD|Non-AMD)/", "images/"),),
    ("airogs", "flat"): ((r"^[0-5]/", ""),),
    ("aptos_2019", "train only"): ((r"^test.*", ""),),
    ("blood_cell_images", "without boxes"): ((r"^Annotations/.*", ""),),
    ("bone_marrow_cell", "flat"): ((r"/\d+-\d+/", "/"),),
    ("breakhis", "inner folder"): ((r"^histology_slides/breast/", ""),),
    ("c_nmc_2019", "published"): ((r"^training_data", "C-NMC_training_data"), (r"^validation_data/", "")),
    ("chest_ct_scan", "kaggle"): ((r"^val/", "valid/"),),
    ("chestx_det", "nested"): ((r"^(train|test)_data/", r"\1_data/\1/"),),
    ("chestx_det", "short"): ((r"^(train|test)_data/", r"\1/"),),
    ("coronahack", "short"): ((r"^(Coronahack[^/]*)/Coronahack[^/]*/", r"\1/"),),
    ("covid_ct", "images only"): ((r"^Images-processed/", ""),),
    ("diabetic_retinopathy_paraguay", "spelling"): (
        (r"^2\. Mild \(or early\) NPDR", "2. Mild NPDR"),
        (r"^7\. Advanced PDR", "7. Advanced  PDR"),
    ),
    ("digital_knee", "flat"): ((r"^(MedicalExpert-I+)/MedicalExpert-I+/", r"\1/"),),
    ("duke_liver", "dcm suffix"): ((r"\.dicom$", ".dcm"),),
    ("edd2020", "without class list"): ((r"^class_list.txt$", ""),),
    ("fitzpatrick17k", "fetched"): ((r"^data/finalfitz17k/", "images/"),),
    ("fitzpatrick17k", "short"): ((r"^data/", ""),),
    ("fracture_detection", "renamed"): ((r"^data/val/", "data/test/"),),
    ("glaucoma_detection", "without table"): ((r"^glaucoma.csv$", ""),),
    ("head_ct", "older"): ((r"^head_ct/head_ct/", "head_ct/"),),
    ("hep2", "renamed"): ((r"^data/training/", "data/tra/"),),
    ("indiana_cxr", "flat images"): ((r"^images/images_normalized/", "files/"),),
    ("intel_mobileodt", "unpacked parts"): (
        (r"^(train|test)/\1/", r"\1/"),
        (r"^additional_Type_1_v2/", ""),
    ),
    ("isic_2016", "kaggle"): ((r"^ISBI2016_ISIC_Part3B_", ""), (r"^ISBI2016_ISIC_Part3_.*", "")),
    ("isic_2016", "part 3B, nested"): ((r"^(ISBI2016_ISIC_Part3B_[A-Za-z]+_Data)/", r"\1/\1/"),),
    ("isic_2017", "nested"): ((r"^(ISIC-2017_[^/]+)/", r"\1/\1/"),),
    ("isic_2018", "flat"): ((r"^(ISIC2018_Task3_[A-Za-z]+_GroundTruth)/", ""),),
    ("isic_2019", "published"): ((r"^(ISIC_2019_Training_Input)/\1/", r"\1/"),),
    ("isic_2020", "kaggle"): ((r"^train/", "jpeg/train/"), (r"^ISIC_2020_Training_GroundTruth\.csv$", "train.csv")),
    ("lc25000", "cut again"): (
        (r"^(colon|lung)_image_sets/(.*[02468]\.jpeg)$", r"Test Set/\2"),
        (r"^(colon|lung)_image_sets/", "Train and Validation Set/"),
    ),
    ("lc25000", "flat"): ((r"^(colon|lung)_image_sets/", ""),),
    ("mias", "published"): ((r"^all-mias/", ""),),
    ("monkeypox_skin_lesion", "flat"): ((r"^(Original Images)/\1/", r"\1/"),),
    ("monkeypox_skin_lesion", "originals only"): ((r"^(Original Images)/\1/", ""), (r"^(Augmented|Fold).*", "")),
    ("multi_label_retinal_diseases", "kaggle"): ((r"^val_data", "test_data"),),
    ("multi_label_retinal_diseases", "kaggle, nested"): ((r"^val_data", "test_data"), (r"^images/", "images/images/")),
    ("multi_label_retinal_diseases", "nested"): ((r"^images/", "images/images/"),),
    ("nct_crc_he_100k", "a folder per archive"): ((r"^([^/]+)/", r"\1/\1/"),),
    ("nih_chestxray14", "flat"): ((r"^images/", "images_001/"),),
    ("nih_chestxray14", "kaggle"): ((r"^images/", "images_001/images/"),),
    ("ocular_toxoplasmosis", "flat"): ((r"^(Data_[A-Za-z0-9_]+)/\1/", r"\1/"),),
    ("odir_5k", "kaggle"): (
        (r"^ODIR-5K_Training_Annotations.*\.xlsx", "data.xlsx"),
        (r"^ODIR-5K_Training_Dataset/", "Training Images/"),
        (r"^ODIR-5K_Testing_Images/", "Testing Images/"),
    ),
    ("pad_ufes_20", "nested"): ((r"^images/(imgs_part_\d)/", r"images/\1/\1/"),),
    ("pad_ufes_20", "nested parts at the top"): ((r"^images/(imgs_part_\d)/", r"\1/\1/"),),
    ("pad_ufes_20", "one folder"): ((r"^images/imgs_part_\d/", "images/"),),
    ("pad_ufes_20", "parts at the top"): ((r"^images/", ""),),
    ("palm", "challenge"): (
        (r"^Training/Images/", "PALM-Training400/"),
        (r"^Training/Disc Masks/", "PALM-Training400-Annotation-D&F/Disc_Masks/"),
        (r"^Training/Lesion Masks/", "PALM-Training400-Annotation-Lession/Lesion_Masks/"),
        (r"^Validation/Images/", "PALM-Validation400/"),
        (r"^Validation/Disc Masks/", "PALM-Validation-GT/Disc_Masks/"),
        (r"^Validation/Lesion Masks/", "PALM-Validation-GT/Lesion_Masks/"),
        (r"^Testing/Images/", "PALM-Testing400-Images/"),
        (r"^Testing/Disc Masks/", "PALM-Testing-GT/Disc_Masks/"),
        (r"^Testing/Lesion Masks/", "PALM-Testing-GT/Lesion_Masks/"),
    ),
    ("ph2", "images folder only"): ((r"^PH2 Dataset images/", ""),),
    ("rfmid_2", "renamed"): (
        (r"^\w+_set/(RFMiD.*\.csv)$", r"\1"),
        (r"^(Training|Validation|Test)_set/", r"\1/"),
    ),
    ("shenzhen_cxr", "flat"): ((r"^(CXR_png|ClinicalReadings)/", ""),),
    ("siim_acr_pneumothorax", "flat"): ((r"^dicom-images-(train|test)/.*/", ""),),
    ("siim_acr_pneumothorax", "stage 2 table"): ((r"^train-rle.csv$", "stage_2_train.csv"),),
    ("vindr_pcxr", "dcm suffix"): ((r"\.dicom$", ".dcm"),),
    ("vindr_spinexr", "dcm suffix"): ((r"\.dicom$", ".dcm"),),
}

#: Source and layout -> why it does not hold the files of the miniature.
OTHER_FILES: dict[tuple[str, str], str] = {
    ("c_nmc_2019", "validation-only"): "a part of the source",
    ("covid19_chest_xray_database", "2020"): "an earlier release, with images of its own",
    ("covid19_chest_xray_database", "march-2021"): "a later release, with images of its own",
    ("covidx_cxr4", "older"): "an earlier release, without validation part",
    ("cvc_clinicdb", "kaggle"): "the frames as PNG",
    ("edd2020", "organizers' samples"): "a sample",
    ("edd2020", "organizers' training folders"): "a sample under names of its own",
    ("hep2", "heywhale"): "cut otherwise, each part with a table",
    ("isic_2016", "part 1"): "a part of the source",
    ("isic_2016", "part 3"): "a part of the source",
    ("isic_2017", "evaluation parts only"): "a part of the source",
    ("ocular_toxoplasmosis", "processed part"): "a part of the source",
    ("ocular_toxoplasmosis", "processed part, flat"): "a part of the source",
    ("ocular_toxoplasmosis", "raw part"): "a part of the source",
    ("ocular_toxoplasmosis", "raw part, flat"): "a part of the source",
    ("palm", "re-packed"): "without validation part",
    ("pediatric_pneumonia", "older"): "the earlier release, under names of its own",
    ("rfmid_2", "rfmid 1.0"): "the earlier release, with images of its own",
    ("rfmid_2", "rfmid 1.0 on ieee dataport"): "the earlier release, with images of its own",
    ("rfmid_2", "rfmid 1.0 on kaggle"): "the earlier release, with images of its own",
    ("rim_one_dl", "random partition only"): "another split of the same images",
    ("rsna_pneumonia", "rsna"): "RSNA's own export, under names of its own: a mapping gives the ids",
    ("siim_acr_pneumothorax", "png"): "PNG under names of its own",
    ("siim_acr_pneumothorax", "stage 2 images"): "the images of stage 2, under names of its own",
    ("vertebrae_xray", "resized"): "the images at other sizes",
    ("vindr_mammo", "kaggle"): "PNG, resized",
    ("vindr_mammo", "png copy"): "PNG, resized",
}


def moved(moves: _Moves) -> Respell:
    """What makes the new path of a path by the first of some moves that applies."""

    def path_of(path: str) -> str:
        for pattern, new in moves:
            path, count = re.subn(pattern, new, path, count=1)
            if count:
                break
        return path

    return path_of


def copy(source: Path, target: Path, respell: Respell) -> None:
    """Copy every file below a folder to the path that is made of its own.

    Raises:
        FileExistsError: two files that differ would lie at one place.
    """
    for file in sorted(source.rglob("*")):
        new = respell(file.relative_to(source).as_posix()) if file.is_file() else ""
        if not new:
            continue
        place = target / new
        if place.exists() and place.read_bytes() != file.read_bytes():
            raise FileExistsError(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
