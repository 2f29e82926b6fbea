"""How Sphinx builds the site: `tox -e docs`."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from typing import Any

project = "okx-rfq-plugin"
version = release = version_of("okx-rfq-plugin")
copyright = "the okx-rfq-plugin maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["man"]

myst_heading_anchors = 3
myst_links_external_new_tab = False

default_role = "literal"  # docstrings write names in single backquotes, as Markdown does
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_default_options = {"exclude-members": "__init__, __new__"}
add_module_names = False
python_display_short_literal_types = True

html_theme = "furo"
html_title = "okx-rfq-plugin"
html_favicon = "pictures/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}

_ANCHOR = re.compile(r"(?<![/`\w])okx\.com/docs-v5/en/(#[\w-]+)")

_EXAMPLES = re.compile(r"\[([^\]]+)\]\((?:\.\./)+examples[^)]*\)")


def _link_to_okx(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Make links of the anchors of OKX's documentation that docstrings name as their source."""
    for number, line in enumerate(lines):
        lines[number] = _ANCHOR.sub(r"`okx.com/docs-v5/en/\1 <https://www.okx.com/docs-v5/en/\1>`__", line)


def _name_examples(app: Any, docname: str, source: list[str]) -> None:
    """Name the examples, which are no part of the site, where a page links to their folders."""
    source[0] = _EXAMPLES.sub(r"`\1`", source[0])


def setup(app: Any) -> None:
    """Add what is done with docstrings and pages."""
    app.connect("source-read", _name_examples)
    app.connect("autodoc-process-docstring", _link_to_okx)
