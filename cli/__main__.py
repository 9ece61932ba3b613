"""Program start: from here on, Ctrl-C ends the program with one line, however early it comes."""

import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED: Final = 1
_INTERRUPTED: Final = 130
"""As in ``ExitCode``, whose module is not imported yet."""


def program() -> None:
    """Run as a process of its own.

    Before a command starts and after it has ended, Ctrl-C exits at once: nothing is half done, and
    a KeyboardInterrupt during an import or Python's shutdown would print a traceback.
    """
    before = signal.getsignal(signal.SIGINT)
    is_handled = before is signal.default_int_handler  # not if a shell started the program with &
    if is_handled:
        signal.signal(signal.SIGINT, _leave)
    main = _load()
    try:
        if is_handled:
            signal.signal(signal.SIGINT, before)
        code = main()
        if is_handled:
            signal.signal(signal.SIGINT, signal.SIG_IGN if code == _INTERRUPTED else _leave)
    except KeyboardInterrupt:
        _leave()
    if code == _INTERRUPTED:
        _end()
    sys.exit(code)


def _load() -> "Callable[[], int]":
    """Import the commands; an error of a library becomes one line and exit code 1."""
    from clearml_snapshot.cli.process.loading import LoadError, import_errors, keep_out_pandas

    keep_out_pandas()
    try:
        with import_errors():
            from clearml_snapshot.cli.main import main
            from clearml_snapshot.cli.output.scrubbed import scrub_streams
    except LoadError as error:
        if sys.stderr is not None:
            sys.stderr.write(f"error: {error}\n")
        sys.exit(_FAILED)
    scrub_streams()  # until the end, because tracebacks come late
    return main


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not write a second line
    if sys.stderr is not None:
        sys.stderr.write("error: interrupted\n")
    _end()


def _end() -> NoReturn:
    """Exit without waiting for threads, and remove temporary files, which ``atexit`` would do.

    After a second Ctrl-C, Python itself could wait for a thread for ever.
    """
    leftovers = sys.modules.get("clearml_snapshot.exporter.store.disk.leftovers")
    if leftovers is not None and hasattr(leftovers, "remove_leftovers"):  # else half imported
        leftovers.remove_leftovers()
    for stream in (sys.stdout, sys.stderr):
        # It may be closed, None (if cron started the program), or writing at this moment.
        with suppress(OSError, ValueError, AttributeError, RuntimeError):
            stream.flush()
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    program()
