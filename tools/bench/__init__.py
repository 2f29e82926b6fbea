"""Benchmark of the plugin against raw ccxt and python-okx, on the sandbox: `tox -e bench`."""
