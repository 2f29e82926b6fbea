"""This file starts the command `okx-rfq`, or says how to install what it needs."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command."""
    try:
        from okx_rfq_plugin.cli import okx_rfq
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        print(f"okx-rfq needs {missing}: pip install 'okx-rfq-plugin[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    okx_rfq(prog_name="okx-rfq")


if __name__ == "__main__":
    main()
