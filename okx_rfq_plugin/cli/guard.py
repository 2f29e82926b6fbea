"""The verb `guard`, which runs a strategy and cancels everything when it ends."""

from __future__ import annotations

import dataclasses
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import click

from okx_rfq_plugin.cli.accounts import Account, accounts_options
from okx_rfq_plugin.cli.destinations import Destination, destination_options
from okx_rfq_plugin.cli.options import seconds_option


@click.command("guard", context_settings={"allow_interspersed_args": False})
@destination_options
@accounts_options
@seconds_option("--grace", 5.0, "After a signal, before what is left is killed; Docker waits 10 s in all.")
@seconds_option("--deadline", 600.0, "For the cancels at the end; no RFQ lives longer than 600 s.")
@seconds_option("--look-every", 30.0, "While COMMAND runs: look whether a cancel would get through; 0 for never.")
@click.option("--status-file", metavar="FILE", help="Keep the state of the guard there, as a JSON object.")
@click.option(
    "--fleet",
    "fleet_url",
    envvar="OKX_RFQ_FLEET",
    show_envvar=True,
    metavar="URL",
    help="The store of a fleet that COMMAND joins, such as rediss://host:6379/0.",
)
@click.option("--no-twin", is_flag=True, help="Start no twin process, which acts when this one is killed.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def guard(
    context: click.Context,
    destination: Destination | None,
    accounts: list[Account] | None,
    grace: float,
    deadline: float,
    look_every: float,
    status_file: str | None,
    fleet_url: str | None,
    no_twin: bool,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND, and cancel all RFQs when it ends, however it ends.

    SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on to COMMAND, and all RFQs are canceled at once. After the grace,
    COMMAND and whatever it has started is killed, on Linux also what has left its process group. Then all RFQs are
    canceled until OKX has said twice, 2 s apart, that none is active. If this process is killed, its twin process does
    the same.

    Exit codes: COMMAND's own where no RFQ is active any more, 128 + N after signal N, so 137 where it was killed; 1
    where it ended with 203 or 204 itself; 203 nothing was canceled, or nothing was started; 204 RFQs may still be
    active, or something still creates them. Where this process itself is killed, a shell shows 137 too, and the twin
    says on stderr and in the status file what is true.

    Example: okx-rfq guard --env live -- python strategy.py
    """
    if not hasattr(os, "posix_spawnp"):
        raise click.UsageError("guard works with signals and process groups, which this system does not have.")
    if shutil.which(command[0]) is None:
        raise click.UsageError(_not_found(command[0]))
    from okx_rfq_plugin.cli.guarding import say

    variables = None
    if fleet_url:
        from okx_rfq_plugin.cli.guard_fleet import environment_for, state_of

        variables = environment_for(fleet_url)
        say(state_of(fleet_url))
    say("Checking whether a cancel would get through from here.")
    from okx_rfq_plugin.cli.canceler import canceler_for
    from okx_rfq_plugin.cli.child import Child
    from okx_rfq_plugin.cli.family import Family
    from okx_rfq_plugin.cli.guarding import Guard
    from okx_rfq_plugin.cli.reports import Reports
    from okx_rfq_plugin.cli.twin import Twin

    mark = secrets.token_hex(8)
    env = destination.env if destination else sorted({account.destination.env for account in accounts or ()})
    reports = Reports(status_file, environment=env, command=os.path.basename(command[0]))
    with canceler_for(destination, accounts, deadline=deadline) as (canceler, place):
        if accounts is not None and all(account.wrong for account in accounts):
            raise click.UsageError(f"no account of the file is complete: {accounts[0].wrong}")
        family = Family(os.getpid(), mark)
        child = Child(list(command), grace=grace, say=say, family=family, mark=mark, variables=variables)
        config: dict[str, Any] = {
            "guard": os.getpid(),
            "mark": mark,
            "others": [],
            "destination": None if destination is None else dataclasses.astuple(destination),
            "accounts": _file_of(context) if accounts is not None else None,
            "only": [account.name for account in accounts or ()],
            "deadline": deadline,
            "status_file": status_file and os.path.abspath(status_file),
            "facts": {"environment": env, "command": os.path.basename(command[0])},
        }
        # A sandbox started for this command ends with it, so there is nothing left to cancel.
        lonely = no_twin or (place is not None and place.sandbox is not None)
        made = Guard(
            canceler,
            child,
            deadline=deadline,
            reports=reports,
            twin=None if lonely else Twin(config),
            look_every=look_every,
        )
        code = made.run()
    context.exit(code)


def _file_of(context: click.Context) -> str:
    return str(Path(str(context.meta["okx_rfq_accounts"])).absolute())


def _not_found(name: str) -> str:
    path = name if os.path.dirname(name) else shutil.which(name, mode=os.F_OK)
    if path is None or not os.path.exists(path):
        return f"there is no command {name}." if name else "the command's name is empty."
    return f"{path} is not a program: it is a folder." if os.path.isdir(path) else f"{path} may not be executed."
