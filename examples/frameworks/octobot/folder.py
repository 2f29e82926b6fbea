"""Creates OctoBot's folder, with the tentacle next to this file and the environment's key: `folder.py FOLDER`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from octobot_commons import configuration

HERE = Path(__file__).parent
KEYS = {"api-key": "OKX_API_KEY", "api-secret": "OKX_API_SECRET", "api-password": "OKX_PASSPHRASE"}


def main(folder: Path) -> None:
    """Install the tentacle with OctoBot's own command, and write the settings that its web page would ask for."""
    octobot = str(Path(sys.executable).with_name("OctoBot"))
    install = [octobot, "tentacles", "-sti", str(HERE / "block_desk"), "Trading/Mode", "-d", "."]
    subprocess.run(install, cwd=folder, check=True, timeout=120)
    keys = {name: configuration.encrypt(os.environ[variable]).decode() for name, variable in KEYS.items()}
    okx = {"enabled": True, "exchange-type": "spot"}
    _write(
        folder / "user" / "config.json",
        {
            "accepted_terms": True,
            "backtesting": {"files": []},
            "distribution": "default",
            "exchanges": {"okx": {**okx, **keys, "sandboxed": True}},
            "notification": {"notification-type": []},
            "profile": "desk",
            "services": {},
            "time-frame": ["1h"],
        },
    )
    profile = folder / "user" / "profiles" / "desk"
    profile.mkdir(parents=True)
    _write(
        profile / "profile.json",
        {
            "profile": {"id": "desk", "name": "desk"},
            "config": {
                "crypto-currencies": {"Bitcoin": {"enabled": True, "pairs": ["BTC/USDT"]}},
                "exchanges": {"okx": okx},
                "trader": {"enabled": True, "load-trade-history": False},
                "trader-simulator": {
                    "enabled": False,
                    "fees": {"maker": 0, "taker": 0},
                    "starting-portfolio": {},
                },
                "trading": {"reference-market": "USDT", "risk": 0.5},
            },
        },
    )
    _write(
        profile / "tentacles_config.json",
        {
            "installation_context": {},
            "registered_tentacles": {},
            "tentacle_activation": {"Trading": {"BlockDesk": True}},
        },
    )


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
