"""This package measures the plugin beside raw ccxt and python-okx, against the sandbox: `tox -e bench`."""
