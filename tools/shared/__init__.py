"""Shared by benchmark and soak: a sandbox in its own process, and ccxt objects that talk to it."""
