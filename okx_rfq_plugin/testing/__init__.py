"""The pytest plugin, cassettes, replay and recording."""
