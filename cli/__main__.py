"""Where the program begins: from here on Ctrl-C ends it with one line, however early it comes."""

import os
import signal
import sys
from contextlib import suppress
from typing import Final, NoReturn

_INTERRUPTED: Final = 130
"""``ExitCode.INTERRUPTED``; the module that says so is one of those that are imported below."""


def program() -> None:
    """Run as a process of its own.

    Before a command begins and after it has ended, Ctrl-C leaves at once: nothing is half done, and
    a KeyboardInterrupt would come out of an import, or of Python's own end, as a traceback.
    """
    before = signal.getsignal(signal.SIGINT)
    is_heeded = before is signal.default_int_handler  # not where a shell started us with &
    if is_heeded:
        signal.signal(signal.SIGINT, _leave)
    from clearml_snapshot.cli.main import main
    from clearml_snapshot.cli.output.scrubbed import scrub_streams

    scrub_streams()  # to the end: tracebacks come late
    try:
        if is_heeded:
            signal.signal(signal.SIGINT, before)
        code = main()
        if is_heeded:
            signal.signal(signal.SIGINT, signal.SIG_IGN if code == _INTERRUPTED else _leave)
    except KeyboardInterrupt:
        _leave()
    if code == _INTERRUPTED:
        _end()
    sys.exit(code)


def _leave(*_: object) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # or the second Ctrl-C would write a second line
    if sys.stderr is not None:
        sys.stderr.write("error: interrupted\n")
    _end()


def _end() -> NoReturn:
    """End without waiting for threads, which skips ``atexit``: it would remove temporary files.

    The second Ctrl-C can come at a moment in which Python itself would wait for one for ever.
    """
    leftovers = sys.modules.get("clearml_snapshot.exporter.store.disk.leftovers")
    if leftovers is not None and hasattr(leftovers, "remove_leftovers"):  # else half imported
        leftovers.remove_leftovers()
    for stream in (sys.stdout, sys.stderr):
        # It is closed, None (as cron may start us), or writing at this moment.
        with suppress(OSError, ValueError, AttributeError, RuntimeError):
            stream.flush()
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    program()
