"""Real processes, a real store, and a proxy between them."""

from __future__ import annotations

import json
import queue
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import okx_rfq_plugin
from okx_rfq_plugin.fleet.accounts import account_of
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.fleet.watcher import WatcherRun
from okx_rfq_plugin.fleet.watching import Event, Watch
from okx_rfq_plugin.sandbox import Sandbox
from support.command import COMMAND, PATIENCE, environment, keys
from support.waiting import eventually

STRATEGY = """
import json, os, signal, sys, time

ahead, right, right_ns = float(os.environ.get("CLOCK_AHEAD", "0")), time.time, time.time_ns
time.time, time.time_ns = lambda: right() + ahead, lambda: right_ns() + int(ahead * 1e9)

import ccxt, okx_rfq_plugin
from okx_rfq_plugin.fleet import join

class Stopping(ccxt.okx):
    command = ""

    def sign(self, path, *args, **kwargs):
        signed = super().sign(path, *args, **kwargs)
        if self.command == "create and stop" and path == "rfq/create-rfq":
            os.kill(os.getpid(), signal.SIGSTOP)  # signed, and the fence is not asked yet
        return signed

    def fetch(self, url, *args, **kwargs):
        if self.command == "create and hold" and url.endswith("rfq/create-rfq"):
            os.kill(os.getpid(), signal.SIGSTOP)  # let through by the fence, and not sent yet
        return super().fetch(url, *args, **kwargs)

def say(*words):
    print(json.dumps(words), flush=True)

sandbox, store, name, lease = sys.argv[1:]
exchange = Stopping({
    "apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
    "password": os.environ["OKX_PASSPHRASE"], "enableRateLimit": False})
exchange.set_sandbox_mode(True)
exchange.urls["api"]["rest"] = sandbox
exchange.options["timeDifference"] = int(ahead * 1000)  # as ccxt's load_time_difference() measures it
okx_rfq_plugin.install(exchange)

def follow():
    say("ready")
    for line in sys.stdin:
        command = line.strip()
        exchange.command = command
        try:
            if command.startswith("create"):
                exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": [
                    {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}]})
                say("created")
            elif command == "cancel":
                say("canceled", exchange.cancel_all_rfqs()["status"])
            elif command == "fail":
                raise RuntimeError("the strategy is broken")
            else:
                return
        except ccxt.OperationRejected as error:
            say("refused", str(error))
        except ccxt.InvalidNonce as error:
            say("too old", str(error))
        except ccxt.RateLimitExceeded:
            say("too often")

if store == "by environment":
    follow()
else:
    with join(exchange, store, name=name, lease=float(lease)):
        follow()
"""


class Process:
    """A process that communicates in lines of JSON."""

    def __init__(self, *command: str, env: Mapping[str, str], stderr: Any = subprocess.DEVNULL) -> None:
        self.process = subprocess.Popen(
            command,
            env=environment(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self._lines: queue.Queue[Any] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.heard: list[Any] = []

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def next(self) -> Any:
        """Return its next message, or None once it has ended."""
        said = self._lines.get(timeout=PATIENCE)
        self.heard.append(said)
        return said

    def until(self, true: Callable[[Any], bool]) -> Any:
        """Wait for a message for which `true` holds, and return it."""
        while not true(said := self.next()):
            assert said is not None, self.heard
        return said

    def tell(self, words: str) -> Any:
        """Send a command; return the answer."""
        self.send(words)
        return self.next()

    def send(self, words: str) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{words}\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int | None = None) -> int:
        """Wait until it has ended, after a signal if one is given."""
        if number is not None:
            self.signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()


@contextmanager
def strategy(
    sandbox: Sandbox,
    store: str,
    name: str = "alpha",
    *,
    lease: float = 3.0,
    credentials: Mapping[str, str] | None = None,
    env: Mapping[str, str] = {},
) -> Iterator[Process]:
    """A strategy in its own process, which does what it is told; `store` may be "by environment"."""
    variables = {**keys(credentials or sandbox.credentials), **env}
    process = Process(sys.executable, "-c", STRATEGY, sandbox.url, store, name, str(lease), env=variables)
    try:
        assert ["ready"] == process.next()
        yield process
    finally:
        process.close()


@contextmanager
def fleet(
    verb: str, sandbox: Sandbox, store: str, *options: str, credentials: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """`okx-rfq fleet watch` or `halt`, in its own process."""
    command = (*COMMAND, "fleet", verb, "--store", store, "--env", "sandbox", "--url", sandbox.url, "--json", *options)
    process = Process(*command, env=keys(credentials or sandbox.credentials))
    try:
        yield process
    finally:
        process.close()


class Watcher:
    """A watcher on its own thread, with the output of `okx-rfq fleet watch --json`."""

    def __init__(self, sandbox: Sandbox, url: str, *, on_blind: str = "alarm", blind_after: float = 15.0) -> None:
        exchange = okx_rfq_plugin.install(sandbox.exchange(), policy=okx_rfq_plugin.RetryPolicy(deadline=5.0))
        exchanges = {account_of(exchange): exchange}
        watch = Watch(frozenset(exchanges), on_blind=on_blind, blind_after=blind_after)
        self._events: queue.Queue[Event] = queue.Queue()
        self._run = WatcherRun(Store(url, timeout=1.0), exchanges, watch, self._events.put)
        self._ended, self._code = threading.Event(), -1
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.heard: list[str] = []
        self._thread.start()

    def _watch(self) -> None:
        self._code = self._run.run(self._ended)

    def until(self, kind: str) -> Event:
        """Wait for an event of a kind, and return it."""
        while True:
            event = self._events.get(timeout=PATIENCE)
            self.heard.append(event.kind)
            if event.kind == kind:
                return event

    def end(self) -> int:
        """End it; return its exit code."""
        self._ended.set()
        self._thread.join(PATIENCE)
        while not self._events.empty():
            self.heard.append(self._events.get().kind)
        return self._code


@contextmanager
def watcher(sandbox: Sandbox, url: str, **options: Any) -> Iterator[Watcher]:
    running = Watcher(sandbox, url, **options)
    try:
        yield running
    finally:
        running.end()


def create(process: Process) -> None:
    """Make a strategy create as soon as it may; a loaded machine may renew a lease late."""
    assert eventually(lambda: process.tell("create") == ["created"]), process.heard


def is_stopped(process: Process) -> bool:
    """Return whether SIGSTOP has stopped it."""
    return Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


class Proxy:
    """A TCP proxy on loopback that can be slow, cut off, switched to another server, or speak TLS."""

    def __init__(self, port: int, certificate: Path | None = None) -> None:
        self.target = port
        self.delay = 0.0  # seconds added to each answer
        self.is_cut = False
        self._certificate = certificate
        self._tls = None if certificate is None else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._tls is not None and certificate is not None:
            self._tls.load_cert_chain(certificate)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        if self._certificate is None:
            return f"redis://127.0.0.1:{self.port}/0"
        return f"rediss://localhost:{self.port}/0?ssl_ca_certs={self._certificate}"

    def turn_to(self, port: int) -> None:
        """Send new connections to another port, and break the existing ones."""
        self.target = port
        self._break()

    def cut(self, cut: bool) -> None:
        """Stop forwarding silently, or resume."""
        self.is_cut = cut
        if not cut:
            self._break()

    def close(self) -> None:
        self._ended.set()
        self._listener.close()
        self._break()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _break(self) -> None:
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        self._listener.settimeout(0.05)
        while not self._ended.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self._pairs.append((near, far))
            thread = threading.Thread(target=self._pass, args=(near, far), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        if self._tls is not None:
            try:
                near = self._tls.wrap_socket(near, server_side=True)
            except OSError:  # a client that does not trust the certificate
                near.close()
                far.close()
                return
        with near, far, selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            with suppress(OSError):
                while not self._ended.is_set():
                    for key, _ in selector.select(0.05):
                        read = key.fileobj.recv(65536)  # a socket
                        if not read:
                            return
                        if key.fileobj is far and self.delay:
                            self._ended.wait(self.delay)
                        if not self.is_cut:
                            key.data.sendall(read)


def kill(process: Process) -> None:
    """Kill it as a power cut would."""
    process.signal(signal.SIGKILL)
    process.process.wait(PATIENCE)


def cancels(sandbox: Sandbox) -> int:
    """Return how many requests to cancel all RFQs have arrived."""
    return sum(request.path.endswith("rfq/cancel-all-rfqs") for request in sandbox.requests)
