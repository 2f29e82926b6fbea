"""Builds and checks the documentation's site: `tox -e docs`."""
