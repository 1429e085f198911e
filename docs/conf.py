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
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
autosummary_generate = True
# Types are in the docstrings.
autodoc_typehints = "none"
numpydoc_show_class_members = False
# A reference that leads nowhere is a warning, but for those to other packages.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!sklearn_kpd\b).*\..*")]
templates_path = ["_templates"]
exclude_patterns = ["_build", "auto_examples/*.ipynb"]
html_title = f"{project} {version}"
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "logo": {"text": project},
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
}
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_sidebars = {page: [] for page in ("index", "api", "architecture", "faq")}
html_show_sourcelink = False
# Pages that went into the guide: whoever has their old address gets there.
html_context = {
    "moved": {
        "user_guide": "guide/index",
        "photographs": "guide/photographs",
        "annotations": "guide/annotations",
        "conformal": "guide/uncertainty",
    }
}
html_additional_pages = dict.fromkeys(html_context["moved"], "moved.html")
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
