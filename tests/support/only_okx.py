"""Excludes ccxt's other exchanges from `import ccxt`, which saves three quarters of every process's startup.

`python tests/support/only_okx.py` installs it into the environment that runs it, for all processes of that environment.
tox does so where a test run must be quick. The environments of `tox -m matrix` import all of ccxt.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

TYPE_CHECKING = False  # importing `typing` and `pathlib` would take longer than everything else here
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

PACKAGES = ("ccxt", "ccxt.async_support", "ccxt.pro")
KEPT = ("okx", "okxus", "myokx", "kraken")  # the last one is the tests' exchange of another venue


class Absent(ModuleType):
    """A module whose every name is an empty class: enough for `from ccxt.bybit import bybit`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (), {"__module__": self.__name__})
        setattr(self, name, made)
        return made


class Finder:
    """Finds an `Absent` module for each file of one of PACKAGES that is not KEPT. ccxt's folders are left alone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for an excluded module, None for anything else."""
        package, _, name = fullname.rpartition(".")
        left_out = package in PACKAGES and name not in KEPT
        if left_out and any(os.path.isfile(os.path.join(folder, f"{name}.py")) for folder in path or ()):
            loader: Any = self
            return ModuleSpec(fullname, loader)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module, which needs no execution."""
        return Absent(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing."""


def main() -> None:
    """Install this file into the running environment, with a .pth file that imports it at each start of Python."""
    import shutil
    import sysconfig
    from pathlib import Path

    packages = Path(sysconfig.get_path("purelib"))
    shutil.copy(__file__, packages / "only_okx.py")
    (packages / "only_okx.pth").write_text("import only_okx\n", encoding="utf-8")


if __name__ == "__main__":
    main()
else:
    sys.meta_path.insert(0, Finder())
