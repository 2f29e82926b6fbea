"""This file writes docs/command.md from the command, and docs/terminal.svg from a run: `python tests/manual.py`."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from okx_rfq_plugin.cli import okx_rfq
from support.command import on_a_terminal

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "command.md", DOCS / "terminal.svg"
MARKS = "<!-- the verbs begin -->\n", "<!-- the verbs end -->\n"
_SHOWN = ("cancel-all", "--env", "sandbox")


def page(text: str) -> str:
    """Return the page with the verbs as they are."""
    before, _, rest = text.partition(MARKS[0])
    return "".join((before, MARKS[0], *_verbs(), MARKS[1], rest.partition(MARKS[1])[2]))


def _verbs() -> Iterator[str]:
    context = click.Context(okx_rfq, info_name="okx-rfq")
    for name in okx_rfq.list_commands(context):
        command = okx_rfq.get_command(context, name)
        assert command is not None
        arguments = "".join(
            f" {str(each.name).upper()}..." for each in command.params if isinstance(each, click.Argument)
        )
        prose, _, example = inspect.cleandoc(str(command.help)).partition("Example: ")
        yield f"\n## {name}\n\n`okx-rfq {name} [OPTIONS]{arguments}`\n\n{prose}```sh\n{example.strip()}\n```\n\n"
        yield "| option | meaning |\n|---|---|\n"
        for option in command.params:
            if isinstance(option, click.Option):
                yield f"| `{'`, `'.join(option.opts)}{_value(option)}` | {_meaning(option)} |\n"
    yield "\n"


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + "\\|".join(option.type.choices)
    return f" {option.metavar or 'N'}".replace("|", "\\|")


def _meaning(option: click.Option) -> str:
    extra = ["required" * option.required, f"`{option.envvar}`" if option.envvar else ""]
    if option.show_default:
        extra.append(f"default `{option.default}`")
    words = "; ".join(filter(None, extra))
    return f"{option.help}" + (f" ({words})" if words else "")


def picture() -> str:
    """Return a run on a terminal, as an image."""
    with on_a_terminal(*_SHOWN, env={"COLUMNS": "80"}) as running:
        running.end()
    console = Console(record=True, width=92, file=io.StringIO())
    console.print(f"[bold]$ okx-rfq {' '.join(_SHOWN)}")
    console.print(Text.from_ansi(running.seen.replace("\r\n", "\n")))
    return console.export_svg(title="okx-rfq")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")
