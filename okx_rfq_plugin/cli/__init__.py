"""This file is the command `okx-rfq`: its verbs, each of which is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

# Each is a function in a file of the same name. None of them loads ccxt, aiohttp or rich before it runs, so that help
# and completion are there at once.
_VERBS = {
    "cancel-all": "cancel_all",
    "list": "list_rfqs",
    "check": "check",
    "guard": "guard",
    "sandbox": "sandbox",
    "fleet": "fleet",
}


class _Verbs(click.Group):
    """The verbs, in the order of the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs."""
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one."""
        name = _VERBS.get(cmd_name)
        if name is None:
            return None
        command: click.Command = getattr(import_module(f"okx_rfq_plugin.cli.{name}"), name)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="okx-rfq-plugin", prog_name="okx-rfq")
def okx_rfq() -> None:
    """Cancel every RFQ of an OKX account, and say truthfully what happened.

    Exit codes of a cancel: 0 nothing is active any more, 2 usage, 3 certainly not canceled, 4 may or may not be
    canceled.
    """
