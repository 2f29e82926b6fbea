"""Maintainers' tools: benchmark, soak, mutation and others. Not part of the wheel."""
