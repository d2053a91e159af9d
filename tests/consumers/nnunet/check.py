"""nnU-Net v2: its integrity check passes, and its label manager takes the regions."""

import json
import os
import sys
from importlib import metadata
from pathlib import Path

folder = Path(sys.argv[1])
for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ[name] = str(folder if name == "nnUNet_raw" else Path(name).absolute())

if __name__ == "__main__":  # the check starts processes
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    (root,) = folder.glob("Dataset*")
    verify_dataset_integrity(str(root), num_processes=2)
    facts = json.loads((root / "dataset.json").read_text("utf-8"))
    manager = LabelManager(facts["labels"], facts.get("regions_class_order"))
    tests = len(list((root / "imagesTs").glob("*.png")))
    print(
        f"nnunetv2 {metadata.version('nnunetv2')}: integrity of {facts['numTraining']} training, {tests} test cases; "
        f"{len(manager.foreground_regions) if manager.has_regions else len(manager.foreground_labels)} classes"
    )
