"""Sources of OKX API keys: environment variables, files that they name, and systemd credentials."""

from __future__ import annotations

import os
from pathlib import Path

KEYS = {"apiKey": "OKX_API_KEY", "secret": "OKX_API_SECRET", "password": "OKX_PASSPHRASE"}  # by ccxt's names

_FILE = "_FILE"  # suffix of a variable that holds the path of a file with the value
_SYSTEMD = "CREDENTIALS_DIRECTORY"  # set by systemd for LoadCredential=
_LONGEST = 4096  # bytes; OKX's keys have 36 characters


def value_of(variable: str) -> str | None:
    """Return the value of a variable, of the file in `VARIABLE_FILE`, or of a systemd credential of the same name.

    The first source that is set wins. A line break at the end of a file is not part of the value.

    Returns:
        The value, or None if no source is set.

    Raises:
        OSError: if a named file cannot be read; `filename` is its path.
        ValueError: if a file is too long for a key, or is not text.
    """
    if (value := os.environ.get(variable)) is not None:
        return value
    if path := os.environ.get(variable + _FILE):
        return _text(Path(path))
    if folder := os.environ.get(_SYSTEMD):
        for name in (variable, variable.lower()):
            if (file := Path(folder, name)).is_file():
                return _text(file)
    return None


def _text(path: Path) -> str:
    with path.open("rb") as file:
        read = file.read(_LONGEST + 1)
    if len(read) > _LONGEST:
        raise ValueError(f"{path} is too long to hold a key")
    try:
        return read.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text") from None
