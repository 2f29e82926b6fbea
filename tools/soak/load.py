"""Loads the sandbox, and checks its limits and books against what the clients saw."""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import multiprocessing
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from multiprocessing.pool import Pool
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

from tools.shared.sandbox_process import SandboxProcess

PROCESSES = 4
BURST = 4  # requests that a process sends for one user before it continues with the next
BUSY = "50011"
GROWTH = 1.2, 8_000_000  # memory growth allowed from the first to the second run: a factor, and bytes

# From OKX's pages, written down independently: requests, seconds.
LIMITS = {
    "rfq/create-rfq": (5, 2.0),
    "rfq/cancel-all-rfqs": (2, 2.0),
    "rfq/rfqs": (2, 2.0),
    "account/config": (5, 2.0),
}
CANCEL, CREATE = "rfq/cancel-all-rfqs", "rfq/create-rfq"
LEG = {"instId": "BTC-USD-261225-100000-C", "side": "buy", "sz": "1", "tdMode": "cross"}  # its RFQ lives 10 minutes

User = dict[str, str]
_barrier: Barrier  # of a client process


class Event(NamedTuple):
    """One request and its reply, executed between `since` and `until`, in Unix seconds."""

    user: str
    path: str
    code: str
    since: float
    until: float
    stamp: int | None = None  # milliseconds, from the reply
    rfq_id: str = ""


class Result(NamedTuple):
    """The result of a load: replies per code, the sandbox's memory in bytes before and after each run, and errors.

    `seconds` is the time for both runs, starting when all processes were up.
    """

    codes: Counter[str]
    memory: tuple[int, ...]
    seconds: float
    lies: list[str]


def run(users: int, requests: int, seed: int) -> Result:
    """Send this many requests for this many users, twice, and check every reply."""
    codes, lies = Counter[str](), []
    context = multiprocessing.get_context("spawn")
    with SandboxProcess() as sandbox, context.Pool(PROCESSES, _begin, [context.Barrier(PROCESSES)]) as pool:
        crowd = [sandbox.call("create_user") for _ in range(users)]
        memory = [memory_of(sandbox.pid)]
        pool.map(_meet, range(PROCESSES), chunksize=1)  # from here on, all of them are up
        began = time.monotonic()
        for turn in range(2):
            events = _send(pool, sandbox, crowd, requests, seed + turn)
            memory.append(memory_of(sandbox.pid))
            codes.update(f"{event.path} {event.code}" for event in events)
            books = {user["apiKey"]: sandbox.call("rfqs", credentials=user) for user in crowd}
            lies += [*over_limits(events), *lost(events, books)]
            sandbox.clear()
        seconds = time.monotonic() - began
    factor, bytes_ = GROWTH
    if memory[2] > memory[1] * factor + bytes_:
        lies.append(f"memory grew from {memory[1]:,} bytes after the first run to {memory[2]:,} after the second")
    return Result(codes, tuple(memory), seconds, lies)


def over_limits(events: Iterable[Event]) -> Iterator[str]:
    """Yield a message for each user and path for which more or fewer requests were admitted than OKX would admit."""
    logs: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda each: each.since):
        logs[event.user, event.path].append(event)
    for (user, path), log in logs.items():
        most, seconds = LIMITS[path]
        admitted = [event for event in log if event.code != BUSY]
        for first in range(len(admitted) - most):
            window = admitted[first : first + most + 1]
            if max(event.until for event in window) - window[0].since < seconds:
                yield f"{user} {path}: {most + 1} requests were admitted within {seconds} s: {window}"
        for event in log:
            near = [each for each in admitted if each.until > event.since - seconds and each.since < event.until]
            if event.code == BUSY and len(near) < most:
                yield f"{user} {path}: refused, though {len(near)} were admitted in the {seconds} s before: {event}"


def lost(events: Iterable[Event], books: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield a message for each RFQ whose state in the book contradicts the replies."""
    created: dict[str, dict[str, int]] = {user: {} for user in books}
    canceled: dict[str, list[int]] = {user: [] for user in books}
    for event in events:
        if event.code == "0" and event.stamp is not None:
            if event.path == CREATE:
                created[event.user][event.rfq_id] = event.stamp
            else:
                canceled[event.user].append(event.stamp)
    for user, book in books.items():
        rows = {rfq["rfqId"]: rfq for rfq in book}
        if rows.keys() != created[user].keys():
            yield f"{user}: the book and the replies differ in {sorted(rows.keys() ^ created[user].keys())}"
        for rfq_id in rows.keys() & created[user].keys():
            row, stamp = rows[rfq_id], created[user][rfq_id]
            # Within the same millisecond, the order of the two is unknown.
            if stamp in canceled[user]:
                continue
            after = [each for each in canceled[user] if each > stamp]
            expected = ("canceled", min(after)) if after else ("active", stamp)
            if (row["state"], int(row["uTime"])) != expected:
                yield f"{user}: RFQ {rfq_id} is {row['state']} since {row['uTime']}, and not {expected}"


def memory_of(pid: int | None) -> int:
    """Return the bytes of memory that a process uses, 0 on systems without /proc."""
    statm = Path(f"/proc/{pid}/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


def _begin(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _meet(number: int) -> None:
    # One task for each process, which waits until the others have theirs.
    _barrier.wait()


def _send(pool: Pool, sandbox: SandboxProcess, users: Sequence[User], requests: int, seed: int) -> list[Event]:
    # Two processes serve each user, in the same order, so that requests of one user overlap.
    halves = [users[n :: PROCESSES // 2] for n in range(PROCESSES // 2)]
    tasks = [(sandbox.url, sandbox.epoch, halves[n // 2], requests // PROCESSES, seed, n) for n in range(PROCESSES)]
    return [event for events in pool.starmap(_client, tasks) for event in events]


def _client(url: str, epoch: float, users: Sequence[User], requests: int, seed: int, number: int) -> list[Event]:
    order, choice = random.Random(seed + number // 2), random.Random(f"{seed} {number}")
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    events: list[Event] = []
    while len(events) < requests:
        for user in order.sample(users, len(users)):
            often = choice.choice((CREATE, CANCEL, "rfq/rfqs"))
            for _ in range(min(BURST, requests - len(events))):
                events.append(_ask(connection, epoch, user, choice.choice((often, often, *LIMITS))))
    connection.close()
    return events


def _ask(connection: http.client.HTTPConnection, epoch: float, user: User, path: str) -> Event:
    method = "POST" if path in (CREATE, CANCEL) else "GET"
    body = json.dumps({"counterparties": ["WAGMI"], "legs": [LEG]}).encode() if path == CREATE else b""
    sent = time.monotonic()
    target = f"/api/v5/{path}"
    connection.request(method, target, body, headers(user, method, target, body))
    answer = json.loads(connection.getresponse().read())
    since, until = sent + epoch, time.monotonic() + epoch
    row = (answer.get("data") or [{}])[0]  # a refusal by the gateway has no data
    stamp = row.get("ts") or (row.get("cTime") if path == CREATE else None)
    if stamp:  # the sandbox's own time, to the millisecond
        since, until = int(stamp) / 1000, (int(stamp) + 1) / 1000
    rfq_id = row.get("rfqId", "") if path == CREATE else ""
    return Event(user["apiKey"], path, answer["code"], since, until, int(stamp) if stamp else None, rfq_id)


def headers(user: User, method: str, target: str, body: bytes) -> dict[str, str]:
    """Sign a request."""
    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    message = (stamp + method + target).encode() + body
    return {
        "OK-ACCESS-KEY": user["apiKey"],
        "OK-ACCESS-PASSPHRASE": user["password"],
        "OK-ACCESS-SIGN": base64.b64encode(hmac.digest(user["secret"].encode(), message, "sha256")).decode(),
        "OK-ACCESS-TIMESTAMP": stamp,
        "Content-Type": "application/json",
        "x-simulated-trading": "1",
    }
