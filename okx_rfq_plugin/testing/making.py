"""The exchange factory, for the fixtures and for `okx_rfq_plugin.testing.replay`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from okx_rfq_plugin._core.policy import RetryPolicy
from okx_rfq_plugin.installer import install
from okx_rfq_plugin.testing import serving
from okx_rfq_plugin.testing.clocks import NotedClock, VirtualClock
from okx_rfq_plugin.testing.family import CLOCK

if TYPE_CHECKING:
    from okx_rfq_plugin.sandbox import Sandbox

DUMMIES = {"apiKey": "dummy-key", "secret": "dummy-secret", "password": "dummy-pass"}


class ExchangeMaker:
    """Creates okx objects in one environment, with the plugin installed, and releases them at the end.

    Args:
        environment: what answers: "sandbox", "cassette" or "demo".
        credentials: the default credentials.
        policy: the default policy; None is the plugin's own, without jitter.
        clock: the clock that the objects use.
        sandbox: the server, if the environment is "sandbox".
    """

    def __init__(
        self,
        environment: str,
        credentials: Mapping[str, str],
        policy: RetryPolicy | None,
        clock: VirtualClock | NotedClock,
        sandbox: Sandbox | None = None,
    ) -> None:
        self._environment = environment
        self._credentials = credentials
        self._policy = policy if policy is not None else RetryPolicy(jitter=0.0)
        self._clock = clock
        self._sandbox = sandbox
        self._made: list[Any] = []

    def __call__(
        self,
        cls: Any = None,
        *,
        credentials: Mapping[str, str] | None = None,
        policy: RetryPolicy | None = None,
        **config: Any,
    ) -> Any:
        """Create an exchange in demo mode, with `cancel_all_rfqs` installed.

        Args:
            cls: an okx class of `ccxt` (by default `ccxt.okx`), `ccxt.async_support` or `ccxt.pro`, or a subclass.
            credentials: `apiKey`, `secret` and `password`; the sandbox creates an account for unknown ones.
            policy: how long a cancel may take.
            config: further settings, as ccxt's constructor takes them.
        """
        if cls is None:
            import ccxt

            cls = ccxt.okx
        serving.check_class(cls)
        keys = serving.check_credentials(self._credentials if credentials is None else credentials)
        if policy is not None and not isinstance(policy, RetryPolicy):
            raise TypeError(f"policy is an okx_rfq_plugin.RetryPolicy, not {policy!r}")
        exchange = self._in_sandbox(cls, keys) if self._sandbox is not None else self._elsewhere(cls, keys)
        for name, value in config.items():
            known = getattr(exchange, name, None)
            both = isinstance(known, dict) and isinstance(value, dict)
            setattr(exchange, name, exchange.deep_extend(known, value) if both else value)
        self._made.append(exchange)
        return install(exchange, policy=self._policy if policy is None else policy)

    def close(self) -> None:
        """Release the objects created."""
        while self._made:
            serving.release(self._made.pop())

    def _in_sandbox(self, cls: Any, keys: dict[str, str]) -> Any:
        assert self._sandbox is not None  # noqa: S101 - for the type checker
        assert isinstance(self._clock, VirtualClock)  # noqa: S101 - for the type checker
        admit(self._sandbox, keys)
        return serving.serve(self._sandbox.exchange(cls, credentials=keys), self._clock)

    def _elsewhere(self, cls: Any, keys: dict[str, str]) -> Any:
        exchange = cls(dict(keys))
        exchange.set_sandbox_mode(True)
        if isinstance(self._clock, VirtualClock):
            return serving.serve(exchange, self._clock)
        setattr(exchange, CLOCK, self._clock)
        return exchange


def admit(sandbox: Sandbox, keys: Mapping[str, str], *, demo: bool = True) -> None:
    """Add an account to the sandbox for a key that it does not know."""
    try:
        sandbox.rfqs(credentials=keys)
    except ValueError:
        sandbox.create_user(credentials=keys, demo=demo)
