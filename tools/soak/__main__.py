"""Runs both parts and prints the results: `tox -e soak`.

Exit code 1: an answer was not true, or nothing was called at all.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
from collections import Counter

from . import load, plugin

LEAST = 4.0  # seconds of the second part, however long the first one took
PATIENCE = 600.0  # seconds beyond the requested time, after which something hangs


def main(args: list[str] | None = None) -> int:
    """Put the sandbox under load, then soak the plugin for the rest of the time."""
    asked = _arguments(args)
    if args is None:  # from the command line; ends a call that never returns, too, and shows where it hangs
        faulthandler.dump_traceback_later(asked.minutes * 60 + PATIENCE, exit=True)
    print(f"seed {asked.seed}", flush=True)
    loaded = load.run(asked.users, asked.requests, asked.seed)
    print(f"\n{2 * asked.requests:,} requests of {asked.users:,} User IDs in {loaded.seconds:.0f} s")
    _table(loaded.codes)
    print("memory of the sandbox, MB:", " -> ".join(f"{bytes_ / 1e6:.1f}" for bytes_ in loaded.memory), flush=True)
    size = plugin.Size(asked.threads, asked.tasks, asked.crowds)
    truth = plugin.run(max(asked.minutes * 60 - loaded.seconds, LEAST), size, asked.seed)
    print(f"\n{truth.outcomes.total():,} calls of cancel_all_rfqs()")
    _table(truth.outcomes)
    print(f"\n{truth.faults.total():,} faults")
    _table(truth.faults)
    print(f"\n{truth.creates.total():,} creates over HTTP")
    _table(truth.creates)
    lies = [*loaded.lies, *truth.lies]
    called = truth.outcomes.total()
    if not called:
        print("\nNothing was called, so nothing is proven.")
    print(f"\nlies: {len(lies)}")
    for lie in lies:
        print("-", lie)
    return 1 if lies or not called else 0


def _table(counter: Counter[str]) -> None:
    for name, number in counter.most_common():
        print(f"{number:8,}  {name}")


def _arguments(args: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=main.__doc__)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="how long both parts take together, once all servers are up"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="makes the same choices once more")
    parser.add_argument("--users", type=int, default=1_000, help="of the load")
    parser.add_argument("--requests", type=int, default=20_000, help="of the load, which is put on twice")
    parser.add_argument("--threads", type=int, default=6, help="of the soak, each with users of its own")
    parser.add_argument("--tasks", type=int, default=16, help="the same, on one event loop")
    parser.add_argument("--crowds", type=int, default=2, help="each of four threads and four tasks on one User ID")
    return parser.parse_args(args)


if __name__ == "__main__":
    sys.exit(main())
