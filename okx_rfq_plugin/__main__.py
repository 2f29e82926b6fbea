"""This file starts the command `okx-rfq`, or says how to install what it needs."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

_NEEDED = ("click", "rich") if sys.version_info >= (3, 11) else ("click", "rich", "tomli")


def main() -> None:
    """Run the command."""
    if sys.stdout is None:  # closed before this process began
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    # All of them now, and not in the middle of a cancel: rich is loaded when there is something to show.
    for needed in _NEEDED:
        if find_spec(needed) is None:
            print(f"okx-rfq needs {needed}: pip install 'okx-rfq-plugin[cli]'", file=sys.stderr)
            raise SystemExit(2)
    from okx_rfq_plugin.cli import okx_rfq

    try:
        okx_rfq(prog_name="okx-rfq")
    except OSError as error:  # a cancel has an exit code of its own, whoever reads it or not
        print(f"okx-rfq: it could not be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again at the end
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
