"""A server in another process."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, TypeVar

S = TypeVar("S", bound="ServerProcess")


class ServerProcess:
    """A server in another process, as a context manager; `url` is its address inside the block.

    Args:
        serve: called in the process with the connection to this one, and `args`. It sends the server's URL first, and
            returns when it receives None.
    """

    def __init__(self, serve: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._line: Connection
        self._line, far_end = context.Pipe()
        self._process = context.Process(target=serve, args=(far_end, *args), daemon=True)

    def __enter__(self: S) -> S:
        self._process.start()
        self.url: str = self._line.recv()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.send(None)
        self._process.join(10)
