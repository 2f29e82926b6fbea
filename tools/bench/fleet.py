"""The load of a fleet on its store and on a watcher: `python -m tools.bench.fleet --members 1000`."""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from pathlib import Path

from okx_rfq_plugin.fleet import clocks
from okx_rfq_plugin.fleet.records import Beat, Member
from okx_rfq_plugin.fleet.server import EmbeddedServer
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.fleet.watching import Watch

_THREADS = 4
_SECONDS = 15.0
_WARM_UP = 3.0
_LEASE = 3.0
_LOOK = 0.25


class _Renewals:
    """Members that renew after every third of their lease."""

    def __init__(self, url: str, members: list[Member]) -> None:
        self.url, self.members = url, members
        self.seconds: list[float] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._renew, args=(number,)) for number in range(_THREADS)]

    def __enter__(self) -> _Renewals:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _renew(self, number: int) -> None:
        store, beats = Store(self.url, timeout=5.0), 0
        while not self._ended.is_set():
            begun, beats = time.monotonic(), beats + 1
            for member in self.members[number::_THREADS]:
                sent = time.perf_counter()
                store.renew(member, Beat(beats, 0))
                self.seconds.append(time.perf_counter() - sent)
            self._ended.wait(max(0.0, _LEASE / 3 - (time.monotonic() - begun)))
        store.close()


def measure(count: int) -> str:
    """Return the cost of a number of members, in a sentence."""
    members = [Member(f"{n:016x}", f"member-{n}", "host", n, f"live:{n}", _LEASE, 0.0, 0.0) for n in range(count)]
    watch, looks, own = Watch(frozenset(member.account for member in members)), [], 0.0
    with EmbeddedServer() as server, _Renewals(server.url, members) as renewals:
        time.sleep(_WARM_UP)
        pid = server.process.pid if server.process else 0
        store, begun, before = Store(server.url, timeout=5.0), time.monotonic(), _cpu(pid)
        while time.monotonic() - begun < _SECONDS:
            looked, thread = time.perf_counter(), time.thread_time()
            view = store.look()
            looks.append(time.perf_counter() - looked)
            events = watch.look(view, clocks.read())
            if events:
                raise RuntimeError(f"a member was taken for dead: {events}")
            own += time.thread_time() - thread
            time.sleep(_LOOK)
        passed = time.monotonic() - begun
        used = _cpu(pid) - before
        store.close()
    return (
        f"{count} members: server {100 * used / passed:.1f} % of a core,"
        f" renewal {1000 * statistics.median(renewals.seconds):.2f} ms,"
        f" look {1000 * statistics.median(looks):.1f} ms, watcher {100 * own / passed:.1f} % of a core"
    )


def _cpu(pid: int) -> float:
    """Return the processor seconds that a process has used. Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    print(measure(parser.parse_args().members))
