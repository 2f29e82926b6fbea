"""Entry point of the command `okx-rfq`: its streams, exit codes, and hints about missing dependencies."""

from __future__ import annotations

import atexit
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, NoReturn

_NEEDED = ("click", "rich") if sys.version_info >= (3, 11) else ("click", "rich", "tomli")
_USAGE, _FAILED, _NOT_CANCELED, _IN_DOUBT, _NOT_STARTED = 2, 1, 3, 4, 203
_CANCELS = ("cancel-all", "cancel", "guard")
_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_STRAY = ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU", "SIGIO", "SIGPWR", "SIGSTKFLT")


def main() -> NoReturn:
    """Run the command, and end with one of the documented codes, whatever happens."""
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    _handle(_ENDING, signal.default_int_handler)
    if verb in _CANCELS and verb != "guard":  # a guard's command would inherit the ignored signals
        _handle(_STRAY, lambda signum, frame: None)
    try:
        code = _run(verb)
    except KeyboardInterrupt:
        code = _complain(verb, "it was interrupted")
    except MemoryError:
        code = _complain(verb, "out of memory")
    if verb in _CANCELS:
        _handle(_ENDING, signal.SIG_IGN)
        _leave(code)
    _flush()
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End without the interpreter's shutdown, which aborts when memory is short, and would change the code."""
    _flush()
    with suppress(BaseException):
        atexit._run_exitfuncs()  # gives observers their time, as usual
    _flush()  # pragma: no cover - coverage itself has ended by then
    os._exit(code)  # pragma: no cover - the same


def _handle(names: Sequence[str], handler: Any) -> None:
    for name in names:
        signum = getattr(signal, name, None)  # Windows has few of them
        if signum is not None and signal.getsignal(signum) is not signal.SIG_IGN:
            with suppress(ValueError):  # not on the main thread
                signal.signal(signum, handler)


def _run(verb: str) -> int:
    _open_streams()
    _keep_quiet()
    # Imported now, not in the middle of a cancel. rich is loaded when there is something to show.
    for needed in _NEEDED:
        if find_spec(needed) is None:
            return _say(f"okx-rfq needs {needed}: pip install 'okx-rfq-plugin[cli]'", _USAGE)
    import click

    from okx_rfq_plugin.cli import okx_rfq
    from okx_rfq_plugin.cli.interrupts import until_the_end

    if verb in _CANCELS:
        until_the_end()
    try:
        code: Any = okx_rfq.main(prog_name="okx-rfq", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return _usage(verb, error)
    except click.Abort:
        return _complain(verb, "it was interrupted")
    except SystemExit as ended:  # from completion, and from a guard's own process
        return ended.code if isinstance(ended.code, int) else 0
    except OSError as error:
        return _complain(verb, error.strerror or "a file or a stream failed", f"could not be written: {error.strerror}")
    except MemoryError:
        return _complain(verb, "out of memory")
    except Exception as error:
        if "-v" in sys.argv or "--verbose" in sys.argv:
            logging.getLogger("okx_rfq_plugin").exception("the command failed")
        words = f"{error}".rstrip(".") or "an error without words"
        return _complain(verb, words, words)


def _usage(verb: str, error: Any) -> int:
    with suppress(OSError, ValueError):
        error.show(file=sys.stderr)
    if verb == "guard":
        from okx_rfq_plugin.cli.outcomes import bound

        return _say(f"okx-rfq guard: nothing was started, and nothing was canceled. {bound()}", _NOT_STARTED)
    return int(error.exit_code)


def _complain(verb: str, reason: str, words: str = "") -> int:
    """Print what is true if a verb ended without its own message, and return the matching code."""
    interrupts: Any = sys.modules.get("okx_rfq_plugin.cli.interrupts")
    called = interrupts is not None and interrupts.was_called()
    from okx_rfq_plugin.cli.outcomes import bound, facts_of

    if verb in ("cancel-all", "cancel") and "--json" in sys.argv:
        with suppress(OSError, ValueError):
            print(json.dumps({"account": None, **facts_of(KeyboardInterrupt(), called=called, reason=reason)}))
    if verb == "guard":
        words = f"okx-rfq guard: {reason}: nothing was started, and nothing was canceled. {bound()}"
        return _say(words, _NOT_STARTED)
    if verb in _CANCELS and called:
        doubt = f"RFQs MAY STILL BE ACTIVE: it is not known how far the cancel came ({reason}). {bound()}"
        return _say(doubt, _IN_DOUBT)
    if verb in _CANCELS:
        return _say(f"NOTHING WAS CANCELED, nothing was sent: {reason}. {bound()}", _NOT_CANCELED)
    return _say(f"okx-rfq: {words or reason}", _FAILED)


def _say(words: str, code: int) -> int:
    with suppress(OSError, ValueError, AttributeError):
        print(words, file=sys.stderr, flush=True)
    return code


def _open_streams() -> None:
    """Open file descriptors 0 to 2, so that no connection gets one of them, and make the streams accept any text."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 - open for the life of the process
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - the same
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _keep_quiet() -> None:
    """Suppress Python's tracebacks and warnings: each verb describes its own errors."""
    logging.raiseExceptions = False
    warnings.simplefilter("ignore")
    nothing: Callable[[Any], None] = lambda shown: None  # noqa: E731
    sys.unraisablehook = nothing
    threading.excepthook = nothing


def _flush() -> None:
    """Write buffered output. If that fails, the interpreter must not notice at exit, which would change the code."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), number)


if __name__ == "__main__":
    main()
