"""Builds and examines the documentation's site: `tox -e docs`."""
