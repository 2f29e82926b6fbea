"""The documentation's pictures, as SVG with system fonts: `python -m tools.pictures` writes docs/pictures."""
