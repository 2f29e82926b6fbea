"""Helpers for the tests; contains no tests."""
