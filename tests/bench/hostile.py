"""Statements that would never end or would take all memory: each ends within its limits.

Each runs in the real program twice: with ``--query-timeout`` and ``--memory-limit``, where its
time, its memory, its exit code, its message and what it leaves behind are compared with what is
documented; and without a timeout, where Ctrl-C comes twice.

    python -m tests.bench.hostile [--only PART]
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clearml_snapshot.cli.process.bounds import most_more
from clearml_snapshot.cli.process.ending import GRACE

TIMEOUT: Final = 2.0
MEMORY: Final = 1_000_000_000
START: Final = 100 * 2**20
"""Bytes that the program uses when it has opened a dataset; 80 to 95 MiB were seen."""
OVERSHOOT: Final = 128 * 2**20
"""Bytes that DuckDB fills between two looks at what is used."""
WORKING: Final = 1.5
"""CPU-seconds; a start takes less than 1."""
SLACK: Final = 3.0
"""Seconds for the start of the program and for a busy machine."""

NEVER: Final = (
    # many rows
    "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range < b.range",
    "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE hash(a.range, b.range) = 7",
    "SELECT sum(a.range * b.range) FROM range(10000000) a CROSS JOIN range(10000000) b",
    "SELECT max(hash(range)) FROM range(9000000000000)",
    "FROM range(9000000000000)",
    "SELECT range, 'x' || range FROM range(9000000000000)",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r, range(3)) SELECT count(*) FROM r",
    "SELECT count(*) FROM generate_series(TIMESTAMP '0001-01-01', TIMESTAMP '9999-01-01', "
    "INTERVAL 1 MICROSECOND)",
    "SELECT a.range FROM range(100000) a WHERE EXISTS (FROM range(100000000) b "
    "WHERE b.range * a.range % 1000003 = 999983 AND b.range > a.range + 1)",
    "SELECT count(*) FROM (SELECT unnest(range(1000000)) FROM range(10000000))",
    "SELECT count(DISTINCT hash(range)) FROM range(4000000000)",
    "SELECT sum(x) FROM (SELECT sum(range) OVER (ORDER BY hash(range) ROWS BETWEEN 500000 "
    "PRECEDING AND 500000 FOLLOWING) AS x FROM range(20000000))",
    "SELECT median(range) OVER (ORDER BY range ROWS BETWEEN 900000 PRECEDING AND CURRENT ROW) "
    "FROM range(9000000)",
    "SELECT range FROM range(2000000000) ORDER BY hash(range)",
    "SELECT a.range % 1000000007 AS g, count(*) FROM range(3000000000) a GROUP BY g ORDER BY 2",
    "SELECT mode(range) FROM range(4000000000)",
    "SELECT quantile_cont(range, 0.5) FROM range(4000000000)",
    "SELECT count(*) FROM range(300000000) a JOIN range(300000000) b ON hash(a.range) = b.range",
    "SELECT histogram(range) FROM range(1000000000)",
    # much work on one row
    "SELECT levenshtein(repeat('ab', 2000000), repeat('ba', 2000000))",
    "SELECT damerau_levenshtein(repeat('ab', 20000), repeat('ba', 20000))",
    "SELECT jaro_similarity(repeat('ab', 2000000), repeat('ba', 2000000))",
    "SELECT jaro_winkler_similarity(repeat('ab', 2000000), repeat('ba', 2000000))",
    "SELECT jaccard(repeat('ab', 200000000), repeat('ba', 200000000))",
    "SELECT hamming(repeat('ab', 100000000), repeat('ba', 100000000)) FROM range(100)",
    "SELECT regexp_matches(repeat('a', 500000000), '(a|aa)*$b')",
    "SELECT regexp_replace(repeat('ab', 100000000), '(a?b?){50}c', 'x', 'g')",
    "SELECT length(regexp_extract_all(repeat('ab', 200000000), 'a')::VARCHAR)",
    "SELECT md5(repeat('x', 900000000)), sha256(repeat('y', 900000000))",
    "SELECT list_reduce(range(100000000), lambda x, y: (x * y + 1) % 1000003)",
    "SELECT 1 FROM range(50000000) WHERE repeat('a', 10000) LIKE '%a%a%a%a%a%a%a%a%b'",
    "SELECT count(*) FROM range(1000000) WHERE length(replace(repeat('a', 1000000), 'a', 'b')) < 5",
    # much memory in one value
    "SELECT repeat('x', 4000000000)",
    "SELECT repeat('x', 1500000000)",
    "SELECT repeat('x', 400000000) FROM range(100)",
    "SELECT lpad('x', 2000000000, 'y')",
    "SELECT reverse(repeat('xy', 400000000))",
    "SELECT upper(repeat('ä', 400000000)) || lower(repeat('Ä', 400000000))",
    "SELECT string_split(repeat('x,', 200000000), ',')",
    "SELECT format('{:>2000000000}', 'x')",
    "SELECT printf('%2000000000d', 1)",
    "SELECT list_sort(range(500000000))[1]",
    "SELECT range(500000000)",
    "SELECT list_distinct(range(300000000))",
    "SELECT list_transform(range(300000000), lambda x: x::VARCHAR)",
    "SELECT list_transform(range(100000000), lambda x: 'nan'::DOUBLE)",
    "SELECT list_concat(range(200000000), range(200000000))",
    "SELECT flatten([range(100000000), range(100000000), range(100000000)])",
    "SELECT list(range) FROM range(2000000000)",
    "SELECT string_agg(range::VARCHAR, ',') FROM range(900000000)",
    "SELECT map_from_entries([(x, x) FOR x IN range(50000000)])",
    "SELECT to_json(range(200000000))",
    "SELECT json_group_array(range) FROM range(500000000)",
    "SELECT hex(repeat('x', 600000000))",
    "SELECT bitstring('1', 2000000000)",
    "SELECT repeat(repeat('ab', 50000), 50000)",
    "SELECT repeat('x', 1000000) FROM range(20000)",
    "SELECT [repeat('x', 1000000) FOR i IN range(3000)]",
    "SELECT max(repeat('x', 1000) || range) OVER (PARTITION BY range % 3) FROM range(3000000)",
)

FORMS: Final = (
    ("SELECT repeat(chr(27), 300000000)", ("--format", "table")),
    ("SELECT repeat('x' || chr(10), 100000000)", ("--format", "markdown")),
    ("SELECT range, repeat('x', 100000) FROM range(1000000)", ("--format", "table")),
    ("SELECT repeat('x', 1000000) FROM range(20000)", ("--format", "json")),
    ("SELECT repeat('x', 1000000) FROM range(20000)", ("--format", "parquet")),
    ("SELECT repeat('x', 1000000) FROM range(20000)", ("--format", "arrow")),
    ("SELECT list_concat(range(60000000), [])::DOUBLE[] || ['nan']::DOUBLE[]", ()),
)
"""Statements whose answer is much work to write."""


@dataclass(frozen=True)
class Run:
    """How a run of the program ended."""

    code: int
    seconds: float
    resident: int
    """Bytes, at most."""
    error: str


def run(data: Path, statement: str, *options: str, presses: int = 0) -> Run:
    """Run the program, press Ctrl-C the given number of times once it works, and wait for it."""
    command = [str(Path(sys.executable).with_name("clearml-snapshot")), "sql", statement]
    with tempfile.TemporaryFile() as error:
        started = time.monotonic()
        process = subprocess.Popen(
            [*command, "--data", str(data), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=error,
        )
        if presses:
            _wait_until_it_works(process)
            started = time.monotonic()
            for _ in range(presses):
                os.kill(process.pid, signal.SIGINT)  # send_signal would wait for it
                time.sleep(0.3)  # as a person presses it again: the time between is what is tried
        code, resident = _wait(process, started + TIMEOUT + 5 * GRACE + SLACK)
        seconds = time.monotonic() - started
        error.seek(0)
        return Run(code, seconds, resident, error.read().decode(errors="replace"))


def _wait_until_it_works(process: "subprocess.Popen[bytes]") -> None:
    """Wait until it has used more CPU than a start takes, or has ended."""
    used = 0.0
    while used < WORKING:
        time.sleep(0.02)  # /proc can only be looked at again and again
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if fields[0] == "Z":
            return


def _wait(process: "subprocess.Popen[bytes]", until: float) -> tuple[int, int]:
    """Wait, and kill what does not end; gives the exit code and the most memory in use."""
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            unit = 1 if sys.platform == "darwin" else 1024
            return process.returncode, used.ru_maxrss * unit
        if time.monotonic() > until:
            process.kill()
        time.sleep(0.02)  # wait4 has no timeout, and nothing else tells how much memory was used


def limited(data: Path, statement: str, form: tuple[str, ...]) -> Iterator[str]:
    """Run with both limits and report what was not as documented."""
    options = ("--query-timeout", f"{TIMEOUT:g}", "--memory-limit", f"{MEMORY}B", *form)
    target = data.parent / "answer"
    target.write_text("of yesterday")
    place = () if form else ("-o", str(target), "--format", "csv")
    ended = run(data, statement, *options, *place)
    yield from _common(ended, (0, 1, 2))
    if ended.seconds > TIMEOUT + GRACE + SLACK:
        yield f"took {ended.seconds:.1f} s"
    most = START + most_more(MEMORY) + OVERSHOOT
    if ended.resident > most:
        yield f"used {ended.resident / 1e6:,.0f} MB, and {most / 1e6:,.0f} are documented"
    if ended.code and target.read_text() != "of yesterday":
        yield "replaced its file by a part"
    if left := sorted({path.name for path in data.parent.iterdir()} - {data.name, target.name}):
        yield f"left {left}"
    print(f"  {ended.seconds:5.1f} s {ended.resident / 1e6:6,.0f} MB  exit {ended.code}", end="")


def interrupted(data: Path, statement: str, form: tuple[str, ...]) -> Iterator[str]:
    """Press Ctrl-C twice and report what was not as documented."""
    ended = run(data, statement, "--memory-limit", f"{MEMORY}B", *form, presses=2)
    yield from _common(ended, (0, 1, 2, 130))
    if ended.seconds > SLACK:
        yield f"ended {ended.seconds:.1f} s after Ctrl-C"
    print(f"  Ctrl-C {ended.seconds:4.1f} s exit {ended.code}", end="")


def _common(ended: Run, codes: tuple[int, ...]) -> Iterator[str]:
    if ended.code not in codes:
        yield f"exit code {ended.code}: {ended.error[-200:]!r}"
    if ended.code and (ended.error.count("\n") != 1 or not ended.error.startswith("error: ")):
        yield f"not one line: {ended.error[:300]!r}"


def main() -> int:
    """Run all; 1 when one did not end as documented."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="Statements that hold this text.")
    chosen = parser.parse_args()
    every = [*((statement, ()) for statement in NEVER), *FORMS]
    wrong = 0
    with tempfile.TemporaryDirectory() as made:
        data = Path(made, "place", "demo")
        os.environ["XDG_CACHE_HOME"] = str(Path(made, "cache"))
        tool = str(Path(sys.executable).with_name("clearml-snapshot"))
        subprocess.run([tool, "demo", "--data", str(data)], check=True, capture_output=True)
        for statement, form in every:
            if chosen.only not in statement:
                continue
            print(f"{statement[:90]} {' '.join(form)}", flush=True)
            for _ in range(2):  # again where the machine was busy
                problems = [*limited(data, statement, form), *interrupted(data, statement, form)]
                if not problems:
                    break
            print("".join(f"\n  WRONG: {problem}" for problem in problems), flush=True)
            wrong += bool(problems)
        left = sorted(path.name for path in Path(made, "cache").rglob("spill-*"))
    print(f"{len(every)} statements, {wrong} did not end as documented; spilled and left: {left}")
    return int(bool(wrong or left))


if __name__ == "__main__":
    sys.exit(main())
