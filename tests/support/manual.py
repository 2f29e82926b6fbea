"""Generates docs/command.md, docs/man and docs/terminal.svg from the command: `python -m support.manual`."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Iterator
from pathlib import Path

import click
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from okx_rfq_plugin.cli import okx_rfq
from support.command import on_a_terminal

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE, MAN = DOCS / "command.md", DOCS / "terminal.svg", DOCS / "man"
MARKS = "<!-- the verbs begin -->\n", "<!-- the verbs end -->\n"
_SHOWN = ("cancel-all", "--env", "sandbox")
_COLUMNS = 66  # few enough for a phone
# rich's own template, without the font that it would load from elsewhere.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace(
    "font-family: Fira Code, monospace", 'font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace'
)


def page(text: str) -> str:
    """Return the page with the current verbs."""
    before, _, rest = text.partition(MARKS[0])
    return "".join((before, MARKS[0], *_verbs(), MARKS[1], rest.partition(MARKS[1])[2]))


def commands(group: click.Group = okx_rfq, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each verb with its command, in order; after a group, its verbs."""
    context = click.Context(group, info_name="okx-rfq")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{before}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")


def manuals() -> dict[str, str]:
    """Return the man pages by file name: one for the whole command, and one for each verb."""
    verbs = "\n".join(f".TP\n.B {_roff(name)}\n{_roff(_first(command))}" for name, command in commands())
    about = _roff(inspect.cleandoc(str(okx_rfq.help)))
    also = ", ".join(f".BR okx\\-rfq\\-{_roff(_dashed(name))} (1)" for name, _ in commands()).replace(", .BR", "\n.BR")
    whole = (
        f".TH OKX\\-RFQ 1\n.SH NAME\nokx\\-rfq \\- cancel every RFQ of an OKX account\n.SH SYNOPSIS\n"
        f".B okx\\-rfq\n.I VERB\n[OPTIONS]\n.SH DESCRIPTION\n{about}\n.SH VERBS\n{verbs}\n.SH SEE ALSO\n{also}\n"
    )
    return {
        "okx-rfq.1": whole,
        **{f"okx-rfq-{_dashed(name)}.1": _manual(name, command) for name, command in commands()},
    }


def _dashed(name: str) -> str:
    return name.replace(" ", "-")


def _manual(name: str, command: click.Command) -> str:
    prose, codes, example = _parts(command)
    arguments = _arguments(command)
    options = "".join(
        ".TP\n.B " + _roff(_spelled(each).replace("\\|", "|")) + "\n" + _roff(_meaning(each).replace("`", "")) + "\n"
        for each in command.params
        if isinstance(each, click.Option)
    )
    options = f".SH OPTIONS\n{options}" if options else ""
    status = f".SH EXIT STATUS\n{_roff(codes)}\n" if codes else ""
    return (
        f".TH OKX\\-RFQ\\-{_roff(_dashed(name).upper())} 1\n.SH NAME\n"
        f"okx\\-rfq\\-{_roff(_dashed(name))} \\- {_roff(_first(command))}\n"
        f".SH SYNOPSIS\n.B okx\\-rfq {_roff(name)}\n[OPTIONS] {_roff(arguments.strip())}\n"
        f".SH DESCRIPTION\n{_roff(prose.strip())}\n"
        f"{options}{status}.SH EXAMPLE\n.nf\n{_roff(example)}\n.fi\n.SH SEE ALSO\n.BR okx\\-rfq (1)\n"
    )


def _roff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    lines = [line.strip() for line in escaped.splitlines()]
    return "\n".join(".PP" if not line else f"\\&{line}" if line[0] in ".'" else line for line in lines)


def _parts(command: click.Command) -> tuple[str, str, str]:
    """Return a help text's prose, exit codes and example."""
    prose, _, example = inspect.cleandoc(str(command.help)).partition("Example: ")
    prose, _, codes = prose.partition("Exit codes: ")
    return prose, codes.strip(), example.strip()


def _first(command: click.Command) -> str:
    return inspect.cleandoc(str(command.help)).partition("\n\n")[0].replace("\n", " ")


def _verbs() -> Iterator[str]:
    for name, command in commands():
        arguments = _arguments(command)
        prose, codes, example = _parts(command)
        yield f"\n## {name}\n\n`okx-rfq {name} [OPTIONS]{arguments}`\n\n{prose}"
        if codes:
            yield f"**Exit codes:** {codes}\n\n"
        yield f"```sh\n{example}\n```\n\n"
        options = [each for each in command.params if isinstance(each, click.Option)]
        yield "| option | meaning |\n|---|---|\n" * bool(options)
        for option in options:
            yield f"| `{_spelled(option, '`, `')}` | {_meaning(option)} |\n"
    yield "\n"


def _arguments(command: click.Command) -> str:
    verb = " VERB" if isinstance(command, click.Group) else ""
    return verb + "".join(f" {_argument(each)}" for each in command.params if isinstance(each, click.Argument))


def _argument(argument: click.Argument) -> str:
    return argument.metavar or str(argument.name).upper() + "..." * (argument.nargs == -1)


def _spelled(option: click.Option, between: str = ", ") -> str:
    return between.join((*option.opts, *option.secondary_opts)) + _value(option)


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + "\\|".join(option.type.choices)
    return f" {option.metavar or 'N'}".replace("|", "\\|")


def _meaning(option: click.Option) -> str:
    extra = ["required" * option.required, f"`{option.envvar}`" if option.envvar else ""]
    if option.show_default:
        default = option.default
        if option.is_flag and option.secondary_opts:
            default = (option.opts if option.default else option.secondary_opts)[0]
        extra.append(f"default `{default}`")
    words = "; ".join(filter(None, extra))
    return f"{option.help}" + (f" ({words})" if words else "")


def picture() -> str:
    """Return a run on a terminal, as an image."""
    with on_a_terminal(*_SHOWN, env={"COLUMNS": str(_COLUMNS)}) as running:
        running.end()
    shown = re.sub(r"^\d\d:\d\d:\d\d Canceled, .*\r\n", "", running.seen, flags=re.MULTILINE)
    console = Console(record=True, width=_COLUMNS, file=io.StringIO())
    console.print(f"[bold]$ okx-rfq {' '.join(_SHOWN)}")
    console.print(Text.from_ansi(shown.replace("\r\n", "\n")))
    return console.export_svg(title="okx-rfq", code_format=_FORMAT)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_text(picture(), encoding="utf-8")
    MAN.mkdir(exist_ok=True)
    for file, text in manuals().items():
        (MAN / file).write_text(text, encoding="utf-8")
