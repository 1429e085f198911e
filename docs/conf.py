"""Settings of Sphinx."""

import os

from sklearn_kpd import __version__

project = "sklearn_kpd"
author = "The sklearn_kpd developers"
release = version = __version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
# Types are in the docstrings.
autodoc_typehints = "none"
numpydoc_show_class_members = False
templates_path = ["_templates"]
exclude_patterns = ["_build", "auto_examples/*.ipynb"]
html_title = f"{project} {version}"
html_theme = "pydata_sphinx_theme"
html_sidebars = {"user_guide": [], "faq": []}
html_show_sourcelink = False
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # The examples train for minutes: `SKLEARN_KPD_RUN_EXAMPLES=0 make html` does without.
    "plot_gallery": os.environ.get("SKLEARN_KPD_RUN_EXAMPLES", "1") == "1",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    # Two examples at a time, each in a process.
    "parallel": 2,
    "download_all_examples": False,
    "remove_config_comments": True,
}
