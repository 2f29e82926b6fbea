"""This file lets tox find every Python that pyenv has, where pyenv is used, and not only the one that it has on."""

import os
from pathlib import Path


def _age(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


_root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
_versions = sorted((path.name for path in _root.glob("versions/3.*")), key=_age, reverse=True)
if _versions and "PYENV_VERSION" not in os.environ:
    os.environ["PYENV_ROOT"] = str(_root)
    os.environ["PYENV_VERSION"] = ":".join(_versions)
