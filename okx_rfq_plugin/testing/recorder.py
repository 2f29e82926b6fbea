"""Records the requests of all okx objects, and how each was answered or lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from okx_rfq_plugin.credentials import KEYS
from okx_rfq_plugin.testing.cassettes import write
from okx_rfq_plugin.testing.family import CLOCK, Asking, is_served
from okx_rfq_plugin.testing.interactions import CassetteRequest, Failure, Interaction, Reply
from okx_rfq_plugin.testing.making import admit
from okx_rfq_plugin.testing.scrub import Scrubber
from okx_rfq_plugin.testing.sent import Sent
from okx_rfq_plugin.testing.stage import Heard, Plan, Stage, request_of, target

_NOTES = {
    "sandbox": "The sandbox of this package has answered on the loopback interface, not OKX.",
    "okx-demo": "OKX demo trading has answered.",
}
_OTHER_SECRETS = ("uid", "login", "token", "privateKey", "walletAddress", "twofa")  # further credentials known to ccxt


class Recorder:
    """Records each request of an okx object, in order.

    Args:
        answered_by: "sandbox" or "okx-demo", for the head.
        names: additional names of fields to scrub.
    """

    def __init__(self, answered_by: str, names: Iterable[str] = ()) -> None:
        self.requests: list[CassetteRequest] = []
        self._answered_by = answered_by
        self._names = tuple(names)
        self._answers: dict[int, Reply | Failure] = {}
        self._secrets: set[str] = set()
        self._lock = threading.RLock()

    def plan(self, stage: Stage, asked: Asking, sent: Sent, *, local: bool) -> Plan:
        """Have the request of an okx object answered for real, and record it."""
        __tracebackhide__ = True
        self.keep_out(asked.exchange)
        if self._answered_by == "okx-demo":
            return self._to_demo(stage, asked, sent, local=local)
        sandbox = stage.sandbox
        assert sandbox is not None  # noqa: S101 - for the type checker: the sandbox answers
        if local and not is_served(asked.exchange) and not sent.url.startswith(f"{sandbox.url}/"):
            return Plan()  # the strategy's own server
        if asked.exchange is not None and not is_served(asked.exchange):
            keys = {name: getattr(asked.exchange, name, None) or "" for name in KEYS}
            if all(keys.values()):
                admit(sandbox, keys, demo=_is_demo(sent))
        if stage.clock is not None and getattr(asked.exchange, CLOCK, None) is None:
            stage.clock.catch_up()  # the object waits on the machine's clock, which the sandbox's must not lag behind
        return stage.to_sandbox(asked, sent, self._note(asked, sent))

    def keep_out(self, exchange: Any) -> None:
        """Also search the file for the secrets of this exchange."""
        for name in (*KEYS, *_OTHER_SECRETS):
            value = getattr(exchange, name, None)
            if isinstance(value, str) and len(value) >= 4:
                self._secrets.add(value)

    def write(self, path: Path) -> None:
        """Write the cassette, replacing an existing one.

        Raises:
            ValueError: if a secret would be in the file; nothing is written.
        """
        import ccxt

        scrubber = Scrubber(self._names)
        for _ in range(2):  # a value first seen late must also be scrubbed from earlier entries
            rows = [
                Interaction(request=scrubber.request(request), answer=scrubber.answer(self._answers[number]))
                for number, request in enumerate(self.requests)
                if number in self._answers
            ]
        head = {
            "answered_by": self._answered_by,
            "note": _NOTES[self._answered_by],
            "recorded": datetime.now(timezone.utc).date().isoformat(),
            "ccxt": ccxt.__version__,
        }
        draft = path.with_name(path.name + ".part")
        try:
            write(draft, head, rows)
            text = draft.read_text(encoding="utf-8")
            if any(form in text for secret in self._secrets for form in _forms(secret)):
                raise ValueError(f"a secret would have stood in {path.name}; the file is not kept")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _to_demo(self, stage: Stage, asked: Asking, sent: Sent, *, local: bool) -> Plan:
        if local and not is_served(asked.exchange):
            return Plan()
        signed = any(str(name).lower() == "ok-access-key" for name in sent.headers)
        if not _is_demo(sent) and (signed or sent.method != "GET"):
            stage.refuse(
                f"{sent.method} {target(asked, sent).partition('?')[0]} was not sent: what is recorded here is demo "
                "trading, and this exchange object is for live trading. Use the one that the fixtures make, or call "
                "set_sandbox_mode(True) on it."
            )
        return Plan(free=True, heard=self._note(asked, sent))

    def _note(self, asked: Asking, sent: Sent) -> Heard:
        with self._lock:
            number = len(self.requests)
            self.requests.append(request_of(asked, sent))
            self._answers[number] = Failure.DROPPED  # until the outcome is known

        def heard(answer: Reply | Failure) -> None:
            self._answers[number] = answer

        return heard


def _is_demo(sent: Sent) -> bool:
    return any(
        str(name).lower() == "x-simulated-trading" and value == "1" for name, value in dict(sent.headers).items()
    )


def _forms(secret: str) -> set[str]:
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}
