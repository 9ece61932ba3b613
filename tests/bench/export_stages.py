"""Processor seconds of an export by stage, measured in the program itself.

    python tests/bench/export_stages.py REPORT [ARGUMENTS OF clearml-snapshot …]

Runs the program with a clock around each stage and writes ``{stage: seconds}`` as JSON to REPORT.
The clock is that of the calling thread, so waiting for the network or for another thread costs
nothing; a stage inside another one is subtracted from it. DuckDB computes in threads of its own, so
its stage is the time of the whole process, and "the rest" is what no clock saw.
"""

import functools
import importlib
import importlib._bootstrap
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

IMPORTS: Final = "start and imports"
SERIES: Final = "series (DuckDB)"
REST: Final = "the rest"

_EXPORTER: Final = "clearml_snapshot.exporter."
_STAGES: Final = (
    ("configuration", "client.configuration", "read_configuration"),
    ("HTTP", "client.transport", "Transport.post"),
    ("decompress", "client.transport", "unpacked"),
    ("decode", "reader.events", "decoded"),
    ("columns", "reader.events", "decode_page"),
    ("distinct", "reader.events", "distinct"),
    ("pages together", "store.parts.staging", "PointBuffer.add"),
    ("pages together", "store.parts.staging", "PointBuffer.finish"),
    ("sort", "store.parts.parquet", "write_sorted"),
    ("Parquet", "store.parts.parquet", "PartWriter.write"),
    ("Parquet", "store.parts.parquet", "PartWriter.__exit__"),
    ("sync and hash", "store.parts.parquet", "PartWriter.entry"),
    ("listing and metadata", "reader.listing", "read_all_details"),
    ("rows", "sync.apply", "Applier.apply"),
)
"""Stage, module and function. Each is named where it is defined, and replaced everywhere."""


class Clock:
    """Adds up the time of each stage, whatever thread it runs in."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._own = threading.local()
        self._lock = threading.Lock()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same, and counts its time without that of its parts."""

        @functools.wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            parts = self._parts()
            parts.append(0.0)
            begun = time.thread_time()
            try:
                return function(*args, **options)
            finally:
                took = time.thread_time() - begun
                inner = parts.pop()
                if parts:
                    parts[-1] += took
                with self._lock:
                    self.seconds[stage] += took - inner

        return timed

    def _parts(self) -> list[float]:
        if not hasattr(self._own, "parts"):
            self._own.parts = []
        parts: list[float] = self._own.parts
        return parts

    def process_timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Do the same for a generator that works in threads which this clock does not know."""

        @functools.wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            begun, counted = time.process_time(), sum(self.seconds.values())
            try:
                yield from function(*args, **options)
            finally:
                took = time.process_time() - begun
                self.seconds[stage] += took - (sum(self.seconds.values()) - counted)

        return timed


def install(clock: Clock) -> None:
    """Put the clock around every stage; importing all modules first counts as imports."""
    # Every import statement that does not find its module calls this by name.
    bootstrap: Any = importlib._bootstrap
    bootstrap._find_and_load = clock.timed(IMPORTS, bootstrap._find_and_load)
    importlib.import_module(_EXPORTER + "sync.export")
    for stage, module, name in _STAGES:
        _replace(_EXPORTER + module, name, functools.partial(clock.timed, stage))
    _replace(
        _EXPORTER + "store.parts.series",
        "write_series",
        functools.partial(clock.process_timed, SERIES),
    )


def _replace(module: str, name: str, timed: Callable[[Any], Any]) -> None:
    holder: Any = importlib.import_module(module)
    owner, _, attribute = name.rpartition(".")
    if owner:
        kind = getattr(holder, owner)
        setattr(kind, attribute, timed(getattr(kind, attribute)))
        return
    old = getattr(holder, attribute)
    new = timed(old)
    for imported in list(sys.modules.values()):
        if getattr(imported, "__name__", "").startswith(_EXPORTER):
            for key, value in list(vars(imported).items()):
                if value is old:
                    setattr(imported, key, new)


def main() -> int:
    """Run the program, and write the seconds of each stage."""
    report, *arguments = sys.argv[1:]
    clock = Clock()
    clock.seconds[IMPORTS] = time.process_time()
    install(clock)
    from clearml_snapshot.cli.main import main as program

    sys.argv = ["clearml-snapshot", *arguments]
    code = program(arguments)
    clock.seconds[REST] = time.process_time() - sum(clock.seconds.values())
    Path(report).write_text(json.dumps(clock.seconds), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
