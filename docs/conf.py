"""Sphinx configuration. ``make docs`` builds the site into ``docs/_build/html``; every warning is an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for `generate`

import generate  # noqa: E402 - needs the path

import med_mat  # noqa: E402

project = "Med-MAT"
author = "Med-MAT contributors"
version = release = med_mat.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "myst_nb"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]

# Markdown
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]  # a cell that writes a card is not Python

# Notebooks are stored without output and executed whenever the site is built.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_merge_streams = True
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for `!med-mat` in a cell
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["PYTHONWARNINGS"] = "ignore"  # those of libraries, in the output of a cell

# API reference
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
add_module_names = False
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Options", "params_style")]  # those that all experiments share

# HTML: no request leaves the site (system fonts, search in the browser)
html_theme = "furo"
html_title = f"Med-MAT {release}"
html_static_path = ["_static"]
html_css_files = ["med_mat.css"]
html_js_files = ["filter.js"]
html_copy_source = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Write the pages that follow from the code and the catalog before Sphinx looks for sources."""
    app.connect("builder-inited", lambda _: generate.write(HERE / "generated"))
