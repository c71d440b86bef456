"""Sphinx: one site from MyST pages. Everything it shows is in the build; the pages load nothing from elsewhere."""

from __future__ import annotations

project = "CloudCasa, self-hosted"
author = "The CloudCasa self-hosted developers"
copyright = "2026, the CloudCasa self-hosted developers; Apache-2.0"

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = project
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
