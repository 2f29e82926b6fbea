"""The command `okx-rfq`. Each verb is imported when it is used."""

from __future__ import annotations

from importlib import import_module

import click

# Each verb's module and function. None imports ccxt, aiohttp or rich before it runs, so help and completion are fast. A
# verb whose dependencies are missing is not listed, and says so when called.
VERBS = {
    "cancel-all": "okx_rfq_plugin.cli.cancel_all:cancel_all",
    "cancel": "okx_rfq_plugin.cli.cancel_ids:cancel",
    "list": "okx_rfq_plugin.cli.list_rfqs:list_rfqs",
    "check": "okx_rfq_plugin.cli.check:check",
    "guard": "okx_rfq_plugin.cli.guard:guard",
    "drill": "okx_rfq_plugin.cli.drill:drill",
    "sandbox": "okx_rfq_plugin.cli.sandbox:sandbox",
    "fleet": "okx_rfq_plugin.cli.fleet:fleet",
    "completion": "okx_rfq_plugin.cli.completion:completion",
}


class _Verbs(click.Group):
    """The verbs, in the order of the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a verb."""
        if cmd_name not in VERBS:
            return None
        module, _, name = VERBS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="okx-rfq-plugin", prog_name="okx-rfq")
def okx_rfq() -> None:
    """Cancel every RFQ of an OKX account, and say truthfully what happened.

    Exit codes of a cancel: 0 nothing is active any more, 2 usage, 3 certainly not canceled, 4 may or may not be
    canceled.
    """
