"""Benchmark, soak and mutation: what maintainers run; no part of the wheel."""
