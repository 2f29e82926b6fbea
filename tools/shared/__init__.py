"""What benchmark and soak share: a sandbox in a process of its own, and ccxt objects that talk to it."""
