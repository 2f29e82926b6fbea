"""For tox: every Python that pyenv has, where pyenv is used; and plain `tox` runs two environments at a time."""

import os
import sys
from pathlib import Path


def _age(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


_root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
_versions = sorted((path.name for path in _root.glob("versions/3.*")), key=_age, reverse=True)
if _versions and "PYENV_VERSION" not in os.environ:
    os.environ["PYENV_ROOT"] = str(_root)
    os.environ["PYENV_VERSION"] = ":".join(_versions)

# Many tests wait for another process, and mypy keeps one core busy: a second environment takes the other. Not with
# arguments: of environments side by side tox shows the output only where they fail. TOX_PARALLEL=0 turns it off.
if len(sys.argv) == 1:
    os.environ.setdefault("TOX_PARALLEL", "2")
