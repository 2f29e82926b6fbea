"""The verb `completion`, which prints a shell's completion script."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the script that lets SHELL complete verbs, options and environments.

    For bash, in ~/.bashrc: eval "$(okx-rfq completion bash)"

    Exit codes: 0 printed; 2 usage.

    Example: okx-rfq completion bash
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    from okx_rfq_plugin.cli import okx_rfq

    made = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    click.echo(made(okx_rfq, {}, "okx-rfq", "_OKX_RFQ_COMPLETE").source())
