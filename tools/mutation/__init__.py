"""This folder asks whether the tests notice what is wrong: `tox -e mutation`."""
