"""What was measured, with how and when, in docs/scale/measured.json."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[3]
MEASURED: Final = ROOT / "docs" / "scale" / "measured.json"
PROGRAM: Final = str(Path(sys.executable).with_name("clearml-snapshot"))


class Used(NamedTuple):
    """What a process used."""

    seconds: float
    cpu: float
    megabytes: float
    exit_code: int

    def as_record(self) -> dict[str, float]:
        return {
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu, 2),
            "megabytes": round(self.megabytes),
        }


class Running:
    """A process whose use of the machine is counted; what it prints is kept in files."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._begun = time.perf_counter()
        self._log, self._command = log, command
        with log.open("wb") as out, log.with_suffix(".err").open("wb") as err:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(environment)
            )

    def wait(self) -> Used:
        """Wait for its end."""
        _, status, used = os.wait4(self._process.pid, 0)
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - self._begun
        return Used(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, code)

    @property
    def said(self) -> str:
        """What it wrote to stderr."""
        return self._log.with_suffix(".err").read_text(encoding="utf-8", errors="replace")


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Used:
    """Run a command that must succeed."""
    running = Running(command, environment, log)
    used = running.wait()
    if used.exit_code:
        sys.exit(f"failed: {' '.join(command)}\n{running.said}")
    return used


def record(part: str, values: Mapping[str, Any], begun: float, loads: Sequence[float]) -> None:
    """Replace what was recorded of a part."""
    about = {
        "command": f"python -m tests.bench.scale {part}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "load": [round(load, 1) for load in loads],
        "seconds": round(time.perf_counter() - begun),
    }
    recorded = measured()
    recorded[part] = {"about": about, **values}
    MEASURED.parent.mkdir(exist_ok=True)
    MEASURED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def measured() -> dict[str, Any]:
    """Read what was recorded so far."""
    return json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}


def machine() -> str:
    """Describe this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, DuckDB {version('duckdb')}"
    )
