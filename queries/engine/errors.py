"""Translates what Spark says when it fails, in pages, into one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from clearml_snapshot.exporter.errors import ExitCode, SnapshotError, UsageError, shortened
from clearml_snapshot.queries.engine.job import versions
from clearml_snapshot.queries.engine.shipped import REPORTED

INSTALL: Final = "pip install 'pyspark[connect]'"

_MISSING: Final = re.compile(r"No module named '?([\w.]+)")
_TRACE: Final = re.compile(r"\s+(at |File )|Traceback|\.\.\. \d+ more|JVM stacktrace|Driver stack")
_UNSEEN: Final = re.compile(r"PATH_NOT_FOUND|FileNotFoundException|FILE_NOT_EXIST")
_REPORTED: Final = re.compile(rf"\bRuntimeError: {REPORTED} (-?\d+): (.*)")
_CONDITION: Final = re.compile(r"^\[([A-Z_.]+)\]\s*")


class SparkError(SnapshotError):
    """Spark failed, or cannot start."""


@contextmanager
def translating_spark_errors(
    *, statement: bool = False, path: Path | None = None
) -> Iterator[None]:
    """Raise Spark's errors as ours.

    Args:
        statement: what runs is SQL that the user typed.
        path: the folder that Spark reads.

    Raises:
        UsageError: the statement is wrong.
        SparkError: Spark failed.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import AnalysisException, ParseException, PySparkException

    try:
        yield
    except PySparkException as error:
        if path is not None and _UNSEEN.search(str(error)):
            raise SparkError(
                f"Spark does not see {path}; put the dataset where Spark and every worker see it "
                "at this path"
            ) from error
        if not isinstance(error, AnalysisException | ParseException):
            raise _failed(str(error)) from error
        if not statement:
            raise SparkError(f"Spark failed: {in_one_line(str(error))}") from error
        hint = "; give one SELECT" if isinstance(error, ParseException) else ""
        raise UsageError(f"Spark SQL: {in_one_line(str(error))}{hint}") from error
    except (Py4JError, ConnectionError) as error:
        raise _failed(str(error)) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("grpc", "pyspark", "py4j"):
            raise
        raise _failed(str(error)) from error


def missing_on(worker: str) -> SparkError:
    """Make the error for a worker that cannot import this package, or what it needs."""
    return SparkError(
        f"a Spark worker does not have what it needs ({worker}); install {versions()} on every "
        "worker, for the Python that Spark uses (PYSPARK_PYTHON)"
    )


def raise_problem(code: int, problem: str) -> None:
    """Raise what a worker reported instead of an answer.

    Raises:
        SnapshotError: always.
    """
    raise _problem(code, problem)


def _problem(code: int, problem: str) -> SnapshotError:
    if code < 0:
        return missing_on(problem)
    error = SnapshotError(problem)
    error.exit_code = ExitCode(code)
    return error


def in_one_line(text: str) -> str:
    """Keep what Spark says first; of a trace of Python, its last line."""
    lines = [line for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines):
        at = next(at for at, line in enumerate(lines) if line.startswith("Traceback"))
        last = (line for line in lines[at + 1 :] if not line.startswith((" ", "\t", "SQLSTATE")))
        return shortened(next(last, lines[0]).strip())
    kept: list[str] = []
    for line in lines:
        if _TRACE.match(line) or line.startswith("== "):
            break
        kept.append(line.strip())
    said = _CONDITION.sub("", " ".join(kept)).partition(" SQLSTATE: ")[0]
    return shortened(said.rstrip(".") or "no reason given")


def _failed(text: str) -> SnapshotError:
    reported = _REPORTED.search(text)
    if reported is not None:
        return _problem(int(reported[1]), reported[2])
    missing = _MISSING.search(text)
    if missing is not None:
        return missing_on(f"no module named {missing[1]}")
    return SparkError(f"Spark failed: {in_one_line(text)}")
