"""Sphinx: pages in MyST Markdown, executed at build, no network.

``sphinx-build -W --keep-going -b html docs docs/_build/html``
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import public_names

import cryptoequity

project = "cryptoequity"
author = "The cryptoequity developers"
copyright = "The cryptoequity developers"
version = release = cryptoequity.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "docstrings",
]
exclude_patterns = ["_build", "replication/dossier", "**.ipynb_checkpoints", "jupyter_execute"]

# --- pages
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
math_eqref_format = "({number})"
# Pages run in a fresh kernel at every build: a cache would not notice that the library changed
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
nb_output_stderr = "warn"  # a Python warning on a page fails the build under -W

# --- reference, one page a room and one a name, written from cryptoequity.__all__
public_names.write(HERE / "reference" / "generated")
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
default_role = "py:obj"
suppress_warnings = ["ref.python"]  # a word in backticks may name members of several classes
napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_ivar = True
napoleon_use_rtype = False

# --- appearance
html_theme = "furo"
html_title = f"cryptoequity {release}"
html_static_path = ["_static"]
html_show_sourcelink = False
