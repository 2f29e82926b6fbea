"""One of several processes that cancel in the same moment: waits for it, and prints how it ended."""

import sys
import time

import ccxt

from .contenders import Ccxt, outcome_of, served
from .records import OURS


def main(url: str, api_key: str, secret: str, password: str, name: str) -> None:
    """Say that it is ready, read when to cancel, on `time.monotonic()`; print whether it was served, and how late."""
    contender = Ccxt(ccxt, url, installed=name == OURS, limiter=name == OURS)
    contender.become({"apiKey": api_key, "secret": secret, "password": password})
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    time.sleep(max(0.0, start - time.monotonic()))
    outcome = outcome_of(contender.cancel)
    print(served(outcome), time.monotonic() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
