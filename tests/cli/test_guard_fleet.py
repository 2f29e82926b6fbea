"""`okx-rfq guard --fleet` around a strategy that uses only ccxt and knows nothing about this package."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.command import keys as keys_of
from support.command import okx_rfq

import okx_rfq_plugin
from okx_rfq_plugin.fleet.server import EmbeddedServer, ServerMissing
from okx_rfq_plugin.fleet.store import Store
from okx_rfq_plugin.sandbox import Sandbox

PTH = Path(okx_rfq_plugin.__file__).parents[1] / "okx_rfq_autoinstall.pth"  # in the checkout as in site-packages
STRATEGY = """
import os, sys
import ccxt

okx = ccxt.okx({"apiKey": os.environ["OKX_API_KEY"], "secret": os.environ["OKX_API_SECRET"],
                "password": os.environ["OKX_PASSPHRASE"]})
okx.set_sandbox_mode(True)
okx.urls["api"]["rest"] = sys.argv[1]
legs = [{"instId": "BTC-USDT", "side": "buy", "sz": "1"}]
try:
    okx.private_post_rfq_create_rfq({"counterparties": ["WAGMI"], "legs": legs})
except ccxt.OperationRejected as error:
    print("refused:", error)
else:
    print("created")
"""


@pytest.fixture
def halted() -> Iterator[EmbeddedServer]:
    """The store of a fleet that may create nothing."""
    try:
        server = EmbeddedServer()
        server.start()
    except ServerMissing as missing:
        pytest.skip(str(missing))
    Store(server.url, timeout=5.0).set_latch(halted=True, reason="risk limit", by="ops")
    yield server
    server.close()


@pytest.fixture
def installed(tmp_path: Path) -> Mapping[str, str]:
    """Variables for a Python that starts with the wheel's .pth file, as after `pip install`."""
    packages = tmp_path / "packages"
    packages.mkdir()
    shutil.copy(PTH, packages)
    (tmp_path / "sitecustomize.py").write_text(f"import site; site.addsitedir({str(packages)!r})")
    return {"PYTHONPATH": f"{tmp_path}:{PTH.parent}"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [({}, "refused:"), ({"OKX_RFQ_AUTOINSTALL": "0"}, "created")],
    ids=["by itself", "unless it is switched off"],
)
def test_a_strategy_of_ccxt_alone_is_in_the_fleet(
    variables: dict[str, str], said: str, halted: EmbeddedServer, installed: Mapping[str, str]
) -> None:
    """A halted fleet refuses its creates; a variable that is already set is left unchanged."""
    with Sandbox() as okx:
        place = ("--env", "sandbox", "--url", okx.url, "--look-every", "0", "--fleet", halted.url)
        command = (sys.executable, "-c", STRATEGY, okx.url)
        ended = okx_rfq("guard", *place, "--", *command, env={**keys_of(okx.credentials), **installed, **variables})

        assert (0, [], said == "created") == (ended.returncode, okx.rfqs("active"), bool(okx.rfqs())), ended
        assert ended.stdout.startswith(said)
