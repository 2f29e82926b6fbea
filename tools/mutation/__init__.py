"""Mutation testing: checks whether the tests notice faults in the code. `tox -e mutation`."""
