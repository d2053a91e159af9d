"""A Hugging Face Space: set the variable MED_MAT to a Hub dataset, such as org/Med-MAT."""

import os
import tempfile
from pathlib import Path

import med_mat
from med_mat.browse.page import CSS, page, theme

where = os.environ["MED_MAT"]
demo = page(med_mat.open(where), where, Path(tempfile.mkdtemp()))

if __name__ == "__main__":
    demo.launch(theme=theme(), css=CSS)
