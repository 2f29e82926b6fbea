"""`OKX_RFQ_AUTOINSTALL=1`, in real processes whose Python starts with the wheel's .pth file in its site-packages."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import site
import subprocess
import textwrap
import venv
import zipfile
from pathlib import Path

import pytest

import okx_rfq_plugin
from okx_rfq_plugin.sandbox import Sandbox

PACKAGE = Path(okx_rfq_plugin.__file__).parent
PTH = "okx_rfq_autoinstall.pth"  # next to the package, in the checkout as in site-packages
ONLY_OKX = Path(__file__).parent / "support" / "only_okx.py"  # not imported, because it would change ccxt here
VARIABLE = "OKX_RFQ_AUTOINSTALL"
HAS_METHOD = "import ccxt; print(hasattr(ccxt.okx, 'cancel_all_rfqs'))"
FINDERS = "import sys; print(sum(type(each).__module__ == 'okx_rfq_plugin.autoinstall' for each in sys.meta_path))"
# Coverage's own .pth file is in another site-packages, where Python executes none.
MEASURED = 'import os; os.environ.get("COVERAGE_PROCESS_CONFIG") and __import__("coverage").process_startup()'
IS_LOADED = "import sys; print('okx_rfq_plugin' in sys.modules)"


class Interpreter:
    """A virtual environment in which Python finds this package and its dependencies, and executes the .pth file."""

    def __init__(self, path: Path) -> None:
        venv.create(path, symlinks=os.name != "nt")
        (self.site_packages,) = path.glob("**/site-packages")
        self.python = path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.found = [str(PACKAGE.parent), *site.getsitepackages()]
        self.reset()

    def reset(self) -> None:
        shutil.copy(ONLY_OKX, self.site_packages)
        (self.site_packages / "found.pth").write_text("\n".join([*self.found, "import only_okx", MEASURED]))
        (self.site_packages / PTH).write_bytes((PACKAGE.parent / PTH).read_bytes())

    def run(self, script: str, *flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
        left_out = ("PYTHONPATH", "PYTHONSAFEPATH", VARIABLE)
        environment = {name: value for name, value in os.environ.items() if name not in left_out}
        return subprocess.run(
            [str(self.python), *flags, "-c", textwrap.dedent(script)],
            cwd=self.site_packages.parent,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def output(self, script: str, *flags: str, **variables: str) -> str:
        """Return the output of a script that ends well without warnings."""
        done = self.run(script, *flags, **variables)
        assert (0, "") == (done.returncode, done.stderr)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    return Interpreter(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture
def interpreter(environment: Interpreter) -> Interpreter:
    environment.reset()
    return environment


def test_every_okx_class_has_the_methods(interpreter: Interpreter) -> None:
    """Sync, async and pro, `myokx`, `okxus` and a framework's subclass; other exchanges do not."""
    script = """
        import ccxt, ccxt.async_support, ccxt.pro
        for package in (ccxt, ccxt.async_support, ccxt.pro):
            family = package.okx, package.myokx, package.okxus, type("Framework", (package.okx,), {})
            print(*(hasattr(cls, "cancel_all_rfqs") for cls in (*family, package.kraken)))
            print(package.okx().has["cancelAllRfqs"])
    """
    lines = interpreter.output(script, "-W", "ignore", OKX_RFQ_AUTOINSTALL="1").splitlines()

    assert ["True True True True False", "True"] * 3 == lines


def test_a_framework_without_a_line_of_code_cancels(interpreter: Interpreter) -> None:
    """An object created without this package has the method, and it works."""
    script = """
        from ccxt import okx
        told = TOLD
        exchange = okx(told["credentials"])
        exchange.set_sandbox_mode(True)
        exchange.urls["api"]["rest"] = told["url"]
        print(exchange.cancel_all_rfqs()["status"])
    """
    with Sandbox() as sandbox:
        sandbox.create_rfq()
        told = json.dumps({"url": sandbox.url, "credentials": sandbox.credentials})

        assert "canceled" == interpreter.output(script.replace("TOLD", told), OKX_RFQ_AUTOINSTALL="1")
        assert [] == sandbox.rfqs("active")


@pytest.mark.parametrize("value", ["1", "true", "yes", " On "])
def test_values_that_turn_it_on(interpreter: Interpreter, value: str) -> None:
    """Any value that does not say no."""
    assert "True" == interpreter.output(IS_LOADED, OKX_RFQ_AUTOINSTALL=value)
    assert "1" == interpreter.output(FINDERS, OKX_RFQ_AUTOINSTALL=value)


@pytest.mark.parametrize("value", ["", "0", "false", "No", " off"])
def test_values_that_turn_it_off(interpreter: Interpreter, value: str) -> None:
    """Values that say no, in any case."""
    assert "0" == interpreter.output(FINDERS, OKX_RFQ_AUTOINSTALL=value)


def test_it_is_off_by_default(interpreter: Interpreter) -> None:
    """Python starts without a module of this package, and ccxt is unchanged."""
    assert "False" == interpreter.output(IS_LOADED)
    assert "False" == interpreter.output(HAS_METHOD)


@pytest.mark.parametrize("flag", ["-E", "-I", "-S"])
def test_isolated_modes_are_respected(interpreter: Interpreter, flag: str) -> None:
    """`-E` and `-I` ignore the environment, `-S` has no site-packages."""
    assert "False" == interpreter.output(IS_LOADED, flag, OKX_RFQ_AUTOINSTALL="1")


def test_processes_of_a_pool_have_it_too(interpreter: Interpreter) -> None:
    """The variable is inherited, and so is its effect: spawned workers, such as joblib's, are ordinary Pythons."""
    script = """
        import subprocess, sys
        print(subprocess.check_output([sys.executable, "-c", WORKER], text=True))
    """
    assert "True" == interpreter.output(script.replace("WORKER", repr(HAS_METHOD)), OKX_RFQ_AUTOINSTALL="1")


def test_without_the_package_python_starts(interpreter: Interpreter) -> None:
    """A .pth file left behind reports it in one line, and nothing else happens."""
    (interpreter.site_packages / "found.pth").unlink()
    done = interpreter.run("print('started')", OKX_RFQ_AUTOINSTALL="1")

    assert (0, "started\n") == (done.returncode, done.stdout)
    # Python processes the .pth files of a virtual environment twice.
    assert {"okx_rfq_plugin: OKX_RFQ_AUTOINSTALL is set, and could not be obeyed"} == set(done.stderr.splitlines())
    assert "started" == interpreter.output("print('started')")


def broken(interpreter: Interpreter, name: str, text: str) -> None:
    """Put a module before the installed ones."""
    first = interpreter.site_packages / "first"
    first.mkdir(exist_ok=True)
    for each in first.glob("*.py"):
        each.unlink()
    (first / f"{name}.py").write_text(text)
    lines = (str(first), *interpreter.found, "import only_okx", MEASURED)
    (interpreter.site_packages / "found.pth").write_text("\n".join(lines))


@pytest.mark.parametrize("name", ["pluggy", "tenacity"])
def test_ccxt_is_imported_although_the_methods_cannot_be_put_on(interpreter: Interpreter, name: str) -> None:
    """A broken dependency of this package does not break a framework; stderr says that the method is missing."""
    broken(interpreter, name, "raise ImportError('broken on purpose')")
    done = interpreter.run(HAS_METHOD, OKX_RFQ_AUTOINSTALL="1")

    assert (0, "False\n") == (done.returncode, done.stdout)
    assert done.stderr.startswith(
        "okx_rfq_plugin: OKX_RFQ_AUTOINSTALL is set, and the okx class of ccxt has no cancel_"
    )
    assert "broken on purpose" in done.stderr


def test_a_ccxt_without_okx_is_imported(interpreter: Interpreter) -> None:
    """An unrelated module of that name."""
    broken(interpreter, "ccxt", "")
    done = interpreter.run("import ccxt; print('imported')", OKX_RFQ_AUTOINSTALL="1")

    assert (0, "imported\n") == (done.returncode, done.stdout)
    assert "the okx class of ccxt has no cancel_all_rfqs()" in done.stderr


def test_an_error_of_ccxts_own_is_the_importers(interpreter: Interpreter) -> None:
    """Errors from ccxt are raised as usual, and the next import tries again."""
    broken(interpreter, "ccxt", "raise RuntimeError('ccxt cannot')")
    script = "\ntry:\n    import ccxt\nexcept RuntimeError as error:\n    print(error)\n"

    assert "ccxt cannot\nccxt cannot" == interpreter.output(script * 2, OKX_RFQ_AUTOINSTALL="1")


@pytest.mark.measured
@pytest.mark.parametrize(
    ("loader", "words"),
    [
        (
            "class Loader:\n    def load_module(self, name): return types.ModuleType(name)",
            "has no exec_module",
        ),
        (
            "class Loader:\n    __slots__ = ()\n    def create_module(self, spec): return None\n"
            "    def exec_module(self, module): pass",
            "AttributeError: ",
        ),
    ],
    ids=["of the old kind", "that takes no attribute"],
)
def test_a_loader_that_cannot_be_followed_is_said(interpreter: Interpreter, loader: str, words: str) -> None:
    """A third-party import hook, such as an obfuscator's, still loads ccxt."""
    script = f"""
import importlib.machinery, sys, types, warnings
from okx_rfq_plugin import autoinstall

warnings.simplefilter("ignore")
{loader}

class Hook:
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, Loader()) if name == "ccxt" else None

sys.meta_path.insert(1, Hook())
import ccxt
print(ccxt.__spec__.loader.__class__.__name__)
"""
    done = interpreter.run(script, OKX_RFQ_AUTOINSTALL="1")

    assert done.stderr.startswith(
        "okx_rfq_plugin: OKX_RFQ_AUTOINSTALL is set, and the okx class of ccxt has no cancel_"
    )
    assert words in done.stderr


@pytest.mark.measured
def test_another_module_of_the_same_zip_file_is_none_of_ours(interpreter: Interpreter) -> None:
    """Its loader is also ccxt's; one line about ccxt is printed, and none about its neighbors."""
    archive = interpreter.site_packages.parent / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("ccxt.py", "import beside")
        file.writestr("beside.py", "")
    script = f"import sys; sys.path.insert(0, {str(archive)!r}); import ccxt; print(ccxt.beside.__name__)"
    done = interpreter.run(script, OKX_RFQ_AUTOINSTALL="1")

    assert (0, "beside\n") == (done.returncode, done.stdout)
    assert 1 == len(done.stderr.splitlines()), done.stderr


@pytest.mark.measured
def test_where_ccxt_was_imported_before_it_is_put_on_at_once(interpreter: Interpreter) -> None:
    """A host that imports the module by hand."""
    script = """
        import ccxt
        before = hasattr(ccxt.okx, "cancel_all_rfqs")
        import os
        os.environ["OKX_RFQ_AUTOINSTALL"] = "1"
        import okx_rfq_plugin.autoinstall
        try:
            import okx.ccxt  # of another distribution, which is not there
        except ImportError:
            pass
        print(before, hasattr(ccxt.okx, "cancel_all_rfqs"))
    """

    assert "False True" == interpreter.output(script)


def test_a_closed_stderr_does_no_harm(interpreter: Interpreter) -> None:
    """Services without a terminal may have none."""
    broken(interpreter, "tenacity", "raise ImportError('broken on purpose')")
    script = "import sys; sys.stderr = None; import ccxt; print('imported')"

    assert "imported" == interpreter.output(script, OKX_RFQ_AUTOINSTALL="1")


def test_ccxt_looks_as_ever(interpreter: Interpreter) -> None:
    """Loader, spec and source of ccxt are the same as without this package."""
    script = """
        import ccxt, inspect
        print(type(ccxt.__loader__).__name__, type(ccxt.__spec__.loader).__name__, len(inspect.getsource(ccxt)))
    """
    assert interpreter.output(script) == interpreter.output(script, OKX_RFQ_AUTOINSTALL="1")


def test_import_of_a_class_first(interpreter: Interpreter) -> None:
    """`from ccxt.pro.okx import okx`, as some write it, imports the class with the methods."""
    script = "from ccxt.pro.okx import okx; print(hasattr(okx, 'cancel_all_rfqs'))"

    assert "True" == interpreter.output(script, OKX_RFQ_AUTOINSTALL="1")


def test_a_ccxt_that_was_imported_before(interpreter: Interpreter) -> None:
    """Another .pth file may import it earlier."""
    (interpreter.site_packages / "found.pth").write_text(
        "\n".join([*interpreter.found, "import only_okx", "import ccxt"])
    )

    assert "True" == interpreter.output(HAS_METHOD, OKX_RFQ_AUTOINSTALL="1")


def test_the_file_is_one_line_that_imports_nothing_where_the_variable_is_unset(interpreter: Interpreter) -> None:
    """At startup, Python imports exactly the same modules as without the file."""
    script = "import sys; print(*sorted(sys.modules))"
    with_file = interpreter.output(script)
    (interpreter.site_packages / PTH).unlink()

    assert interpreter.output(script) == with_file
    assert 1 == len((PACKAGE.parent / PTH).read_text().splitlines())


def test_the_wheel_knows_the_file() -> None:
    """When uninstalling, pip removes what the installed wheel's RECORD lists."""
    files = importlib.metadata.files("okx-rfq-plugin") or []
    if not any(str(file) == "okx_rfq_plugin/__init__.py" for file in files):
        pytest.skip("the package is not installed from a wheel: `tox` does that")

    assert PTH in map(str, files)
