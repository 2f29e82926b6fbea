"""Finding and writing cassettes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from okx_rfq_plugin.testing.interactions import Failure, Interaction
from okx_rfq_plugin.testing.names import NAMES
from okx_rfq_plugin.testing.reading import HOST, VERSION

# In the wheel, and in a checkout.
_FOLDERS = (Path(__file__).parents[1] / "_cassettes", Path(__file__).parents[2] / "cassettes")
_LONG = 100  # characters of a body that fit on a line


def find(name: str) -> Path:
    """Return the path of a cassette that comes with this package.

    Raises:
        LookupError: if no cassette has this name; the message lists the existing ones.
    """
    for folder in _FOLDERS:
        path = folder / f"{name}.yaml"
        if name in NAMES and path.is_file():
            return path
    raise LookupError(f"okx_rfq_plugin has no cassette {name!r}; it has: {', '.join(NAMES)}")


def is_own(path: Path) -> bool:
    """Return whether a cassette is one of those that come with this package."""
    return path.parent in _FOLDERS


def write(path: Path, head: Mapping[str, Any], interactions: Sequence[Interaction]) -> None:
    """Write a cassette in vcrpy's format. Long JSON bodies get one line per key."""
    content = {"head": dict(head), "version": VERSION, "interactions": [_plain(each) for each in interactions]}
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


class _Dumper(yaml.SafeDumper):
    """Writes multi-line strings as blocks."""


def _as_block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _as_block)


def _plain(interaction: Interaction) -> dict[str, Any]:
    request, answer = interaction.request, interaction.answer
    uri = f"{HOST}{request.path}" + (f"?{request.query}" if request.query else "")
    plain: dict[str, Any] = {
        "method": request.method,
        "uri": uri,
        "body": _readable(request.body.encode()) if request.body else None,
        "headers": {},
    }
    if isinstance(answer, Failure):
        return {"request": plain, "response": {"failure": answer.value}}
    response = {
        "status": {"code": answer.status, "message": answer.reason},
        "headers": {name: [value] for name, value in answer.headers.items()},
        "body": {"string": _readable(answer.body)},
    }
    return {"request": plain, "response": response}


def _readable(body: bytes) -> str | bytes:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body
    try:
        decoded = json.loads(text)
    except ValueError:
        return text
    short = json.dumps(decoded, separators=(",", ":"), ensure_ascii=False)
    return short if len(short) <= _LONG else json.dumps(decoded, indent=1, ensure_ascii=False)
