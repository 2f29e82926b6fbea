"""A tentacle with one trading mode."""

from .block_desk import BlockDesk

__all__ = ["BlockDesk"]
