"""Soak test: loads the sandbox and the plugin, and looks for one thing, an untrue answer."""
