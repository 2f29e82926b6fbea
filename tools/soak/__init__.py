"""This package wears the sandbox and the plugin out, and looks for one thing: an answer that is not true."""
