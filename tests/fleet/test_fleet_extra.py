"""Without a fleet, the kill switch works as before."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from support.command import PATIENCE, environment, keys

from okx_rfq_plugin.sandbox import Sandbox

_CANCEL = """
import json, os, sys

if sys.argv[2] == "missing":
    sys.modules["redis"] = None  # as where the extra is not installed
import ccxt, okx_rfq_plugin

exchange = okx_rfq_plugin.install(ccxt.okx({"apiKey": os.environ["OKX_API_KEY"],
    "secret": os.environ["OKX_API_SECRET"], "password": os.environ["OKX_PASSPHRASE"]}))
exchange.set_sandbox_mode(True)
exchange.urls["api"]["rest"] = sys.argv[1]
exchange.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": [
    {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "25"}]})
assert exchange.cancel_all_rfqs()["status"] == "canceled"
hook = okx_rfq_plugin.get_plugin_manager().hook
print(json.dumps({
    "modules": sorted(name for name, module in sys.modules.items() if module is not None),
    "cancel": [each.plugin_name for each in hook.cancel_all_rfqs.get_hookimpls()],
    "create": [each.plugin_name for each in hook.rfq_creating.get_hookimpls()],
    "policy": type(getattr(exchange, "_okx_rfq_policy", None)).__name__,
}))
"""


def _canceled(sandbox: Sandbox, redis: str) -> dict[str, Any]:
    done = subprocess.run(
        (sys.executable, "-W", "ignore", "-c", _CANCEL, sandbox.url, redis),
        env=environment(**keys(sandbox.credentials)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_without_a_fleet_nothing_of_it_is_there(sandbox: Sandbox) -> None:
    """Creating and canceling load the same modules with and without the extra: none of the fleet's, and no redis."""
    with_it, without = _canceled(sandbox, "installed"), _canceled(sandbox, "missing")

    assert with_it == without
    assert [] == [name for name in with_it["modules"] if name.partition(".")[0] == "redis" or ".fleet" in name]


def test_without_a_fleet_no_hook_of_it_is_asked(sandbox: Sandbox) -> None:
    """Only the package's own plugin performs a cancel, nothing is asked before a create, and no policy is set."""
    said = _canceled(sandbox, "installed")

    assert (["okx"], [], "NoneType") == (said["cancel"], said["create"], said["policy"])


def test_the_name_of_the_fleet_loads_no_redis() -> None:
    """`import okx_rfq_plugin.fleet` costs nothing until something in it is used."""
    words = "import sys, okx_rfq_plugin.fleet; print([name for name in sys.modules if name.startswith('redis')])"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, timeout=PATIENCE, check=True)

    assert "[]\n" == done.stdout
